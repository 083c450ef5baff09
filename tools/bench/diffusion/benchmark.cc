#include "tools/bench/diffusion/benchmark.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "tools/bench/daemon/daemon_metrics.h"
#include "tools/bench/daemon/daemon_process.h"
#include "tools/bench/diffusion/step_shares.h"
#include "tools/bench/random_model/diffusion_writer.h"

namespace tessera {
namespace {

constexpr const char* kImageModel = "shapes-dit";
constexpr const char* kVideoModel = "shapes-latte";
constexpr const char* kActionModel = "push-policy";
constexpr int kActionSteps = 100, kPictureSteps = 50;
constexpr int kPromptRows = 3;  // of a prompt of shapes-latte
constexpr int kPolicyJobs = 16, kImageJobs = 8;
constexpr int kLongSteps = 100, kShortSteps = 10;
constexpr const char* kRandomVideo = "latte-1";
constexpr int kRandomPromptRows = 20;

class TemporaryModel {
 public:
  TemporaryModel() {
    std::string pattern = std::filesystem::temp_directory_path() / "diffusion_policies-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TemporaryModel(const TemporaryModel&) = delete;
  TemporaryModel& operator=(const TemporaryModel&) = delete;
  ~TemporaryModel() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }  // empty = it could not be made

 private:
  std::string path_;
};

// A folder that a daemon serves, and what its network's steps are made of.
struct ServedModel {
  std::unique_ptr<DaemonProcess> daemon;
  NetworkWork work;
  StepShares shares;
};

class Benchmark {
 public:
  Benchmark(const BenchmarkOptions& options, const Progress& progress)
      : options_(options), progress_(progress) {}

  absl::StatusOr<DiffusionReport> run() {
    absl::Status status;
    if (wants("images")) status.Update(run_pictures(kImageModel, /*video=*/false));
    if (wants("videos") && status.ok()) status = run_pictures(kVideoModel, /*video=*/true);
    if (wants("actions") && status.ok()) status = run_actions();
    if (wants("batching") && status.ok()) status = run_batching();
    if (wants("random") && status.ok()) {
      for (const std::string& shape : options_.random_shapes) {
        if (status.ok()) status = run_random(shape, shape == kRandomVideo);
      }
    }
    if (!status.ok()) return status;
    return std::move(report_);
  }

 private:
  bool wants(const char* section) const { return options_.sections.contains(section); }

  std::string folder_of(const std::string& model) const { return options_.models + "/" + model; }

  absl::StatusOr<ServedModel> serve(const std::string& folder, const StepSize& size) const {
    progress_("serving " + folder);
    ServedModel served;
    const auto opened = DiffusersFolder::open(folder);
    if (!opened.ok()) return opened.status();
    auto work = network_work(opened->config().transformer, size);
    if (!work.ok()) return work.status();
    served.work = *std::move(work);
    auto daemon = DaemonProcess::start({options_.daemon, "", options_.sets, {folder}});
    if (!daemon.ok()) return daemon.status();
    served.daemon = *std::move(daemon);
    const auto metrics = DaemonMetrics::read(served.daemon->metrics_address());
    if (!metrics.ok()) return metrics.status();
    served.shares =
        shares_by_kind(served.work, metrics->by_label("tessera_diffusion_step_share", "part"));
    return served;
  }

  absl::Status run_pictures(const std::string& model, bool video) {
    const auto served = serve(folder_of(model), {.condition_rows = kPromptRows});
    if (!served.ok()) return served.status();
    PictureSource source{.address = served->daemon->grpc_address(), .video = video};
    source.samples = video ? 2 : 4;
    source.guidance = options_.guidance;
    PictureSectionOptions section;
    section.model = model;
    section.settings = video ? video_settings() : picture_settings();
    section.seeds = options_.seeds;
    section.screen_seeds = std::min(options_.screen_seeds, options_.seeds);
    for (const int steps : options_.steps) {
      section.steps = steps;
      auto result = measure_pictures(source, section, served->work, served->shares, progress_);
      if (!result.ok()) return result.status();
      report_.pictures.push_back(*std::move(result));
    }
    return absl::OkStatus();
  }

  absl::Status run_actions() {
    const auto served = serve(folder_of(kActionModel), {});
    if (!served.ok()) return served.status();
    ActionSectionOptions section;
    section.model = kActionModel;
    section.folder = folder_of(kActionModel);
    section.steps = kActionSteps;
    section.episodes = options_.episodes;
    auto result = measure_actions(served->daemon->grpc_address(), section, served->work,
                                  served->shares, progress_);
    if (!result.ok()) return result.status();
    report_.actions = *std::move(result);
    return absl::OkStatus();
  }

  absl::Status run_batching() {
    {
      const auto served = serve(folder_of(kActionModel), {});
      if (!served.ok()) return served.status();
      progress_("many actions at once");
      auto gain = measure_action_batching(served->daemon->grpc_address(), kPolicyJobs, kActionSteps,
                                          options_.repeats);
      if (!gain.ok()) return gain.status();
      report_.policy_batch = *gain;
    }
    const auto served = serve(folder_of(kImageModel), {});
    if (!served.ok()) return served.status();
    const PictureSource source{.address = served->daemon->grpc_address()};
    progress_("many images at once");
    auto gain = measure_picture_batching(source, kImageJobs, kPictureSteps, options_.repeats);
    if (!gain.ok()) return gain.status();
    report_.image_batch = *gain;
    progress_("a short job during a long one");
    auto late = measure_late_arrival(source, kLongSteps, kShortSteps, options_.repeats);
    if (!late.ok()) return late.status();
    report_.late_arrival = *late;
    return absl::OkStatus();
  }

  absl::Status run_random(const std::string& name, bool video) {
    const auto shape = find_diffusion_shape(name);
    if (!shape.ok()) return shape.status();
    auto folder = std::make_unique<TemporaryModel>();
    if (folder->path().empty()) return absl::UnavailableError("cannot make a temporary folder");
    progress_("writing a random " + name);
    // The sizes of latents are no part of the weights. Told as trained, the daemon measures there.
    const auto bytes = write_random_diffusion(*shape, {.folder = folder->path(),
                                                       .layers = options_.random_layers,
                                                       .side = options_.random_side,
                                                       .frames = options_.random_frames});
    if (!bytes.ok()) return bytes.status();
    const int frames = video ? options_.random_frames : 1, side = options_.random_side;
    const StepSize size{frames, side, side, kRandomPromptRows};
    const auto served = serve(folder->path(), size);
    if (!served.ok()) return served.status();
    folder.reset();  // the daemon has read it
    PictureSource source{.address = served->daemon->grpc_address(), .video = video};
    source.latents = true;
    if (video) {
      source.prompt_rows = kRandomPromptRows;
      source.prompt_width = shape->transformer["caption_channels"];
    }
    auto settings = measure_speed(source, options_.random_steps, std::min(options_.repeats, 3),
                                  random_settings(video), served->work, served->shares, progress_);
    if (!settings.ok()) return settings.status();
    RandomSectionResult result;
    result.shape = name;
    result.shares_source = served->shares.source;
    result.layers =
        options_.random_layers > 0 ? options_.random_layers : int{shape->transformer["num_layers"]};
    result.steps = options_.random_steps;
    result.size = absl::StrCat(frames, " x ", side, " x ", side, " latents, guided");
    result.settings = *std::move(settings);
    report_.random.push_back(std::move(result));
    return absl::OkStatus();
  }

  const BenchmarkOptions& options_;
  const Progress& progress_;
  DiffusionReport report_;
};

}  // namespace

absl::StatusOr<DiffusionReport> run_benchmark(const BenchmarkOptions& options,
                                              const Progress& progress) {
  return Benchmark(options, progress).run();
}

}  // namespace tessera
