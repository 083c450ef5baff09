// Engine::create for a tesserad without a model: repeats the prompt, a character at a time. A
// prompt that begins with "forever" is repeated until somebody stops it. The model path tells how
// loading goes: "missing" fails, "slow" takes a minute.
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

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::create(const EngineConfig& config,
                                                       EngineObserver* observer) {
  if (config.model.path.find("missing") != std::string::npos)
    return absl::NotFoundError(config.model.path + "/config.json: no such file");
  if (config.model.path.find("slow") != std::string::npos)
    std::this_thread::sleep_for(std::chrono::minutes(1));
  auto engine = std::make_unique<FakeEngine>();
  engine->answer = [observer](FakeEngine& fake, const TextRequest& request) {
    repeat(fake, request, observer);
  };
  return absl::StatusOr<std::unique_ptr<Engine>>(std::move(engine));
}

}  // namespace tessera
