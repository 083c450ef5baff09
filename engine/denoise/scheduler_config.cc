#include "engine/denoise/scheduler_config.h"

#include <algorithm>
#include <array>

#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr size_t kTextMax = size_t{1} << 20;
constexpr std::array<std::string_view, 3> kNoNumbers{kMinusInfinity, "Infinity", "NaN"};

std::string quote_no_numbers(std::string_view text) {
  std::string quoted;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    const auto found =
        std::find_if(kNoNumbers.begin(), kNoNumbers.end(),
                     [&](std::string_view word) { return text.substr(at, word.size()) == word; });
    if (!in_string && found != kNoNumbers.end()) {
      quoted += concat('"', *found, '"');
      at += found->size();
      continue;
    }
    if (in_string && text[at] == '\\' && at + 1 < text.size()) quoted += text[at++];
    if (text[at] == '"') in_string = !in_string;
    quoted += text[at++];
  }
  return quoted;
}

absl::StatusOr<PolicyValue> scalar(std::string_view file, const std::string& key,
                                   const nlohmann::json& value) {
  if (value.is_boolean()) return PolicyValue{value.get<bool>()};
  if (value.is_string()) return PolicyValue{value.get<std::string>()};
  if (value.is_number_float() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX})) {
    return PolicyValue{value.get<double>()};
  }
  if (value.is_number()) return PolicyValue{value.get<int64_t>()};
  return absl::InvalidArgumentError(concat(file, ": ", key, " is ", show_for_message(value),
                                           ", must be a number, a string, true or false"));
}

}  // namespace

std::vector<FixedKey> unsupported_everywhere() {
  return {{"thresholding", false}, {"rescale_betas_zero_snr", false}, {"trained_betas", nullptr}};
}

absl::StatusOr<nlohmann::json> parse_python_json(std::string_view file, std::string_view text) {
  if (text.size() > kTextMax) {
    return absl::InvalidArgumentError(concat(file, ": larger than ", kTextMax, " bytes"));
  }
  return parse_json_object(file, quote_no_numbers(text));
}

absl::StatusOr<SchedulerConfig> read_scheduler_keys(std::string_view file,
                                                    const nlohmann::json& object,
                                                    const SchedulerClass& scheduler,
                                                    const std::vector<std::string>& known) {
  SchedulerConfig config;
  for (const auto& entry : object.items()) {
    const std::string& key = entry.key();
    const nlohmann::json& value = entry.value();
    if (key.starts_with('_')) continue;
    const auto fixed = std::find_if(scheduler.fixed.begin(), scheduler.fixed.end(),
                                    [&](const FixedKey& field) { return field.key == key; });
    if (value.is_null()) continue;
    if (fixed != scheduler.fixed.end()) {
      if (value == fixed->value) continue;
      return absl::UnimplementedError(
          concat(file, ": ", quote_for_message(key), " is ", show_for_message(value), ", only ",
                 fixed->value.dump(), " is supported for ", scheduler.class_name));
    }
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      config.ignored.push_back(key);
      continue;
    }
    absl::StatusOr<PolicyValue> param = scalar(file, key, value);
    if (!param.ok()) return param.status();
    config.params[key] = *std::move(param);
  }
  return config;
}

}  // namespace tessera
