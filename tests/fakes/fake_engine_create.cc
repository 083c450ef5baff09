// Engines for a tesserad without models. The language model repeats the prompt, a character at a
// time. A prompt that begins with "forever" is repeated until somebody stops it. The diffusion
// model makes a grey picture, or, where its path has them, a video or the observations as actions;
// of class 9 it does so until somebody stops it. The path tells how loading goes: "missing" fails,
// "slow" takes a minute.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "fakes/fake_engine.h"

namespace tessera {
namespace {

void repeat(FakeEngine& engine, const TextRequest& request, EngineObserver* observer) {
  const std::string* prompt = std::get_if<std::string>(&request.input);
  const std::string text = prompt == nullptr ? "?" : *prompt;
  const auto length = static_cast<int64_t>(text.size());
  engine.post(request.id, PromptProcessed{length, 0, {}});
  const auto say = [&] {
    for (const char c : text)
      if (!engine.post(request.id, Delta{0, std::string(1, c), {}, 1})) return false;
    return true;
  };
  if (text.rfind("forever", 0) == 0) {
    // On a thread of its own, because the engine's must go on to hear of the cancel.
    std::thread([&engine, say, id = request.id, text] {
      while (engine.post(id, Delta{0, text, {}, 1}))
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }).detach();
    return;
  }
  say();
  Completed completed;
  completed.usage.prompt_tokens = completed.usage.completion_tokens = length;
  RequestReport report;
  report.usage = completed.usage;
  report.outcome = "stop";
  if (observer != nullptr) observer->on_request_end(report);
  engine.post(request.id, Finished{});
  engine.post(request.id, completed);
}

// A picture or video of 8 x 8 pixels, or what was observed.
JobResult grey(const DiffusionRequest& request, const DiffusionModelInfo& model) {
  JobResult result;
  result.seed = request.seed.value_or(0);
  if (const auto* observed = std::get_if<ObservationCondition>(&request.condition)) {
    result.values = observed->observations;
    result.values.shape.insert(result.values.shape.begin(), 1);
    return result;
  }
  result.values.shape = {request.n.value_or(1), 3, 8, 8};
  const int64_t frames = request.frames.value_or(model.default_frames);
  if (model.default_frames > 1) result.values.shape.insert(result.values.shape.begin() + 1, frames);
  int64_t elements = 1;
  for (const int64_t extent : result.values.shape) elements *= extent;
  result.values.values.assign(elements, 0.5f);
  return result;
}

void denoise(FakeDiffusionEngine& engine, const DiffusionRequest& request,
             DiffusionObserver* observer) {
  const auto* label = std::get_if<ClassCondition>(&request.condition);
  if (label != nullptr && label->label == 9) {
    std::thread([&engine, id = request.id] {
      for (int32_t step = 1; engine.post(id, JobStep{step, 1 << 20, 0}); ++step)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }).detach();
    return;
  }
  const auto steps = static_cast<int32_t>(request.steps.value_or(4));
  for (int32_t step = 1; step <= steps; ++step) engine.post(request.id, JobStep{step, steps, 0});
  JobResult result = grey(request, engine.model());
  if (observer != nullptr) observer->on_job_end(result.timings, "done");
  engine.post(request.id, std::move(result));
}

absl::Status pretend_to_load(const std::string& path) {
  if (path.find("missing") != std::string::npos)
    return absl::NotFoundError(path + "/config.json: no such file");
  if (path.find("slow") != std::string::npos) std::this_thread::sleep_for(std::chrono::minutes(1));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiffusionEngine>> DiffusionEngine::create(
    const DiffusionModelSettings& settings, const DeviceSettings&, DiffusionObserver* observer) {
  if (absl::Status status = pretend_to_load(settings.path); !status.ok()) return status;
  auto engine = std::make_unique<FakeDiffusionEngine>();
  DiffusionModelInfo info;
  info.name = settings.name.empty() ? settings.path : settings.name;
  info.conditioning = settings.path.find("act") != std::string::npos ? "observation" : "class";
  info.default_frames = settings.path.find("video") != std::string::npos ? 3 : 1;
  info.has_decoder = true;
  engine->set_model(info);
  engine->answer = [observer](FakeDiffusionEngine& fake, const DiffusionRequest& request) {
    denoise(fake, request, observer);
  };
  return absl::StatusOr<std::unique_ptr<DiffusionEngine>>(std::move(engine));
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::create(const EngineConfig& config,
                                                       EngineObserver* observer) {
  if (absl::Status status = pretend_to_load(config.model.path); !status.ok()) return status;
  auto engine = std::make_unique<FakeEngine>();
  engine->answer = [observer](FakeEngine& fake, const TextRequest& request) {
    repeat(fake, request, observer);
  };
  return absl::StatusOr<std::unique_ptr<Engine>>(std::move(engine));
}

}  // namespace tessera
