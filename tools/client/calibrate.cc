#include "tools/client/calibrate.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/diffusion/calibrate.h"
#include "tools/client/input_file.h"
#include "tools/client/options.h"
#include "tools/client/tensor_json.h"

namespace tessera {
namespace {

constexpr int kFailed = 1, kUsage = 2;

const char kHelp[] =
    "tessera calibrate --model FOLDER [options] [PROMPT...]\n"
    "Runs a diffusion model without caches, looks how alike the outputs of each of its branches "
    "are "
    "from step to step, and writes the steps at which each should compute. The daemon reads the "
    "file when it next starts; requests name it with --policy.\n"
    "What to run: PROMPTs, --class or --observations, whatever the model takes; more than one is "
    "better.\n\n";

struct CalibrateOptions {
  std::string model, name = "default", out, observations, solver, metric = "cosine", dtype = "auto";
  std::vector<int64_t> classes;
  std::vector<std::string> prompts;
  int64_t steps = 0;
  uint64_t seed = 11;
  CalibrationOptions calibration;
  bool consecutive = false, help = false;

  std::vector<Option> rows() {
    return {
        {"--model", "FOLDER", "the model's folder", into_text(model)},
        {"--name", "NAME", "writes FOLDER/schedules/NAME.json; default", into_text(name)},
        {"--out", "FILE", "writes this file instead", into_text(out)},
        {"--observations", "FILE", "JSON: [steps][width], or a list of these",
         into_text(observations)},
        {"--class", "N", "a class; may be repeated",
         with_integer([this](int64_t v) { classes.push_back(v); })},
        {"--steps", "N", "as the requests will have; the model's default",
         with_integer([this](int64_t v) { steps = v; }), "The run:"},
        {"--solver", "NAME", "as the requests will have; the model's default", into_text(solver)},
        {"--seed", "N", "of the noise of the first run; 11, each further run has the next",
         with_seed([this](uint64_t v) { seed = v; })},
        {"--dtype", "NAME", "auto, bf16 or f32", into_text(dtype)},
        {"--updates", "N", "steps at which a branch computes; 10",
         with_integer([this](int64_t v) { calibration.updates = v; }), "The schedule:"},
        {"--metric", "NAME", "cosine, mse, l1 or l2", into_text(metric)},
        {"--consecutive", "", "counts likeness to the step before, not to the update",
         into_flag(consecutive)},
        {"--together", "",
         "all branches share one list of steps; between these a step costs next to nothing",
         into_flag(calibration.together)},
        {"--late", "P",
         "counts step i of S ((i+1)/S)^P: errors of late steps stay in the result; 0",
         with_number([this](double v) { calibration.late = v; })},
        {"--bubble", "N", "branches of largest error that also follow the MLPs behind them; 5",
         with_small_integer([this](int32_t v) { calibration.bubbling.count = v; })},
        {"--bubble-mlps", "", "chooses them among MLPs", into_flag(calibration.bubbling.mlp_only)},
        {"--bubble-later", "", "follows MLPs of later blocks only",
         into_flag(calibration.bubbling.later_only)},
        {"--help", "", "this", into_flag(help)}};
  }
};

absl::Status read_metric(const std::string& name, BranchMetric& metric) {
  const std::vector<std::string> names = {"cosine", "mse", "l1", "l2"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metric is '", name, "', must be cosine, mse, l1 or l2"));
  }
  metric = static_cast<BranchMetric>(found - names.begin());
  return absl::OkStatus();
}

std::string made_by(const CalibrateOptions& o) {
  const CalibrationOptions& c = o.calibration;
  std::string made =
      absl::StrCat("tessera calibrate --updates ", c.updates, " --metric ", o.metric);
  if (o.consecutive) made += " --consecutive";
  if (c.late > 0) absl::StrAppend(&made, " --late ", c.late);
  if (c.together) {
    made += " --together";
  } else {
    absl::StrAppend(&made, " --bubble ", c.bubbling.count);
    if (c.bubbling.mlp_only) made += " --bubble-mlps";
    if (c.bubbling.later_only) made += " --bubble-later";
  }
  return absl::StrCat(made, " --seed ", o.seed);
}

absl::StatusOr<CalibrateOptions> parse(const std::vector<std::string>& arguments) {
  CalibrateOptions o;
  absl::Status status = parse_options(o.rows(), arguments, o.prompts);
  if (!status.ok() || o.help) return status.ok() ? absl::StatusOr<CalibrateOptions>(o) : status;
  if (o.model.empty()) return absl::InvalidArgumentError("--model must name a folder");
  status = read_metric(o.metric, o.calibration.metric);
  if (!status.ok()) return status;
  if (o.consecutive) o.calibration.value = SegmentValue::kConsecutive;
  if (o.out.empty()) {
    o.out = (std::filesystem::path(o.model) / "schedules" / (o.name + ".json")).string();
  }
  o.calibration.made_by = made_by(o);
  return o;
}

// A list of observations, or one alone.
absl::Status add_observations(const std::string& file, std::vector<DiffusionRequest>& requests) {
  const absl::StatusOr<std::string> text = read_input_file(file);
  if (!text.ok()) return text.status();
  v1::Tensor tensor;
  if (absl::Status status = parse_tensor(*text, tensor); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, " ", status.message()));
  }
  const int axes = tensor.shape_size();
  if (axes != 2 && axes != 3) {
    return absl::InvalidArgumentError(file + " must be [steps][width], or a list of these");
  }
  const std::vector<int64_t> shape(tensor.shape().end() - 2, tensor.shape().end());
  const int64_t size = shape[0] * shape[1];
  for (int64_t begin = 0; begin < tensor.values_size(); begin += size) {
    DiffusionRequest request;
    request.condition = ObservationCondition{
        {shape, {tensor.values().begin() + begin, tensor.values().begin() + begin + size}}};
    requests.push_back(std::move(request));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DiffusionRequest>> requests_of(const CalibrateOptions& o) {
  std::vector<DiffusionRequest> requests;
  if (!o.observations.empty()) {
    if (absl::Status status = add_observations(o.observations, requests); !status.ok()) {
      return status;
    }
  }
  for (const int64_t label : o.classes) {
    requests.emplace_back().condition = ClassCondition{label};
  }
  for (const std::string& prompt : o.prompts) {
    requests.emplace_back().condition = PromptCondition{prompt, ""};
  }
  if (requests.empty()) {
    return absl::InvalidArgumentError("give PROMPTs, --class or --observations to run");
  }
  for (size_t which = 0; which < requests.size(); ++which) {
    requests[which].id = absl::StrCat("calibration ", which);
    requests[which].seed = o.seed + which;  // no noise is special to them all
    if (o.steps > 0) requests[which].steps = o.steps;
    if (!o.solver.empty()) requests[which].solver = o.solver;
  }
  return requests;
}

absl::Status write(const std::string& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError(path + " cannot be written");
}

std::string summary(const UpdateSchedule& schedule, const std::string& path) {
  size_t least = schedule.timesteps.size(), most = 0, all = 0;
  for (const auto& [name, updates] : schedule.units) {
    least = std::min(least, updates.size());
    most = std::max(most, updates.size());
    all += updates.size();
  }
  return absl::StrFormat("%s: %d branches compute at %d to %d of %d steps, at %.1f on average",
                         path, schedule.units.size(), least, most, schedule.timesteps.size(),
                         static_cast<double>(all) / static_cast<double>(schedule.units.size()));
}

absl::Status calibrate_folder(const CalibrateOptions& o, std::ostream& out) {
  const absl::StatusOr<std::vector<DiffusionRequest>> requests = requests_of(o);
  if (!requests.ok()) return requests.status();
  DiffusionModelSettings settings;
  settings.path = o.model;
  settings.dtype = o.dtype;
  const auto engine = DiffusionEngine::create(settings, {}, nullptr);
  if (!engine.ok()) return engine.status();
  const absl::StatusOr<UpdateSchedule> schedule = calibrate(**engine, *requests, o.calibration);
  if (!schedule.ok()) return schedule.status();
  if (absl::Status status = write(o.out, print_update_schedule(*schedule)); !status.ok()) {
    return status;
  }
  out << summary(*schedule, o.out) << '\n';
  return absl::OkStatus();
}

}  // namespace

int run_calibrate(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<CalibrateOptions> options = parse(arguments);
  if (!options.ok()) {
    err << "tessera calibrate: " << options.status().message() << '\n';
    return kUsage;
  }
  if (options->help) {
    out << kHelp << options_help(CalibrateOptions().rows());
    return 0;
  }
  if (absl::Status status = calibrate_folder(*options, out); !status.ok()) {
    err << "tessera: " << status.message() << '\n';
    return kFailed;
  }
  return 0;
}

}  // namespace tessera
