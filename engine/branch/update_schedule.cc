#include "engine/branch/update_schedule.h"

#include <cmath>

#include "engine/branch/cache_policy.h"
#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr const char* kFormat = "tessera update schedule";
constexpr size_t kTextMax = size_t{4} << 20;
constexpr size_t kStepsMax = 1000;
constexpr size_t kUnitsMax = 4096;
constexpr size_t kNameMax = 200;
constexpr double kTimestepMax = 1e6;

absl::Status check_header(std::string_view file, const nlohmann::json& object) {
  absl::Status error;
  JsonFields fields(std::string(file), object, error);
  if (fields.text("format", "") != kFormat) {
    fields.refuse("format", concat("must be \"", kFormat, '"'), false);
  }
  if (fields.integer("version", 0, 0, 1 << 20) != 1) fields.refuse("version", "must be 1");
  fields.ignore({"checkpoint", "solver", "timesteps", "made_by", "units"});
  if (error.ok() && !fields.unknown_keys().empty()) {
    error = absl::InvalidArgumentError(
        concat(file, ": unknown field ", quote_for_message(fields.unknown_keys().front())));
  }
  return error;
}

absl::StatusOr<std::string> read_name(std::string_view file, const nlohmann::json& object,
                                      const char* key) {
  const auto field = object.find(key);
  if (field == object.end() || !field->is_string() ||
      field->get_ref<const std::string&>().empty() ||
      field->get_ref<const std::string&>().size() > kNameMax) {
    return absl::InvalidArgumentError(
        concat(file, ": ", key, " must be a string of 1 to ", kNameMax, " bytes"));
  }
  return field->get<std::string>();
}

absl::StatusOr<std::vector<float>> read_timesteps(std::string_view file,
                                                  const nlohmann::json& object) {
  const auto field = object.find("timesteps");
  if (field == object.end() || !field->is_array() || field->empty() || field->size() > kStepsMax) {
    return absl::InvalidArgumentError(
        concat(file, ": timesteps must be a list of 1 to ", kStepsMax, " numbers"));
  }
  std::vector<float> timesteps;
  for (const nlohmann::json& value : *field) {
    if (!value.is_number() || !(std::abs(value.get<double>()) <= kTimestepMax)) {
      return absl::InvalidArgumentError(concat(file, ": timesteps[", timesteps.size(), "] is ",
                                               show_for_message(value),
                                               ", must be a number of at most ", kTimestepMax));
    }
    timesteps.push_back(value.get<float>());
  }
  return timesteps;
}

absl::StatusOr<std::vector<int>> read_steps(const std::string& place, const nlohmann::json& list,
                                            int64_t count) {
  if (!list.is_array() || list.empty()) {
    return absl::InvalidArgumentError(concat(place, " must be a list of steps that begins with 0"));
  }
  std::vector<int> steps;
  for (const nlohmann::json& value : list) {
    const int64_t least = steps.empty() ? 0 : steps.back() + 1;
    const int64_t most = steps.empty() ? 0 : count - 1;
    const bool fits =
        value.is_number_integer() && value.get<int64_t>() >= least && value.get<int64_t>() <= most;
    if (!fits) {
      return absl::InvalidArgumentError(
          concat(place, "[", steps.size(), "] is ", show_for_message(value),
                 steps.empty() ? ", must be 0" : ", must be above the one before and below ",
                 steps.empty() ? "" : std::to_string(count)));
    }
    steps.push_back(value.get<int>());
  }
  return steps;
}

absl::StatusOr<std::map<std::string, std::vector<int>>> read_units(std::string_view file,
                                                                   const nlohmann::json& object,
                                                                   int64_t steps) {
  const auto field = object.find("units");
  if (field == object.end() || !field->is_object() || field->empty() || field->size() > kUnitsMax) {
    return absl::InvalidArgumentError(
        concat(file, ": units must be an object of 1 to ", kUnitsMax, " lists"));
  }
  std::map<std::string, std::vector<int>> units;
  for (const auto& [name, list] : field->items()) {
    const std::string place = concat(file, ": units.", quote_for_message(name));
    absl::StatusOr<std::vector<int>> read = read_steps(place, list, steps);
    if (!read.ok()) return read.status();
    units[name] = *std::move(read);
  }
  return units;
}

}  // namespace

absl::StatusOr<UpdateSchedule> parse_update_schedule(std::string_view file, std::string_view text) {
  if (text.size() > kTextMax) {
    return absl::InvalidArgumentError(concat(file, ": larger than ", kTextMax, " bytes"));
  }
  const absl::StatusOr<nlohmann::json> object = parse_json_object(file, text);
  if (!object.ok()) return object.status();
  if (absl::Status status = check_header(file, *object); !status.ok()) return status;
  UpdateSchedule schedule;
  for (const auto& [key, name] :
       {std::pair{"checkpoint", &schedule.checkpoint}, std::pair{"solver", &schedule.solver},
        std::pair{"made_by", &schedule.made_by}}) {
    absl::StatusOr<std::string> read = read_name(file, *object, key);
    if (!read.ok()) return read.status();
    *name = *std::move(read);
  }
  absl::StatusOr<std::vector<float>> timesteps = read_timesteps(file, *object);
  if (!timesteps.ok()) return timesteps.status();
  schedule.timesteps = *std::move(timesteps);
  auto units = read_units(file, *object, static_cast<int64_t>(schedule.timesteps.size()));
  if (!units.ok()) return units.status();
  schedule.units = *std::move(units);
  return schedule;
}

std::string print_update_schedule(const UpdateSchedule& schedule) {
  const auto show = [](const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string text = concat("{\"format\": ", show(kFormat),
                            ",\n \"version\": 1,\n \"checkpoint\": ", show(schedule.checkpoint),
                            ",\n \"solver\": ", show(schedule.solver),
                            ",\n \"timesteps\": ", show(schedule.timesteps),
                            ",\n \"made_by\": ", show(schedule.made_by), ",\n \"units\": {");
  const char* separator = "\n";
  for (const auto& [name, steps] : schedule.units) {
    text += concat(separator, "  ", show(name), ": ", show(steps));
    separator = ",\n";
  }
  return text + "}}\n";
}

std::vector<std::string> site_names(const std::vector<CacheSite>& sites) {
  std::map<std::string, int> seen;
  std::vector<std::string> names;
  for (const CacheSite& site : sites) {
    std::string name = concat(site.block, ".", site_kind_name(site.kind));
    if (site.context && site.kind != SiteKind::kMlpContext) name += ".context";
    const int count = ++seen[name];
    names.push_back(count == 1 ? name : concat(name, ".", count));
  }
  return names;
}

}  // namespace tessera
