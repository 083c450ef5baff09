// Hand-off of a prefilled sequence from one engine to another (Splitwise, 2024): the prefill engine
// computes the prompt and the first token, exports the prompt's KV in canonical form (of recurrent
// layers the state), and the decode engine imports it and goes on. The continuation has the bits it
// would have had in one engine.
//
// A HandOff is the transfer's ticket: it owns the request until the receiver has reserved pages;
// nothing of it remains with the sender. A receiver without room keeps it and tries again each
// step.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "engine/run/live_request.h"
#include "engine/run/text_engine.h"

namespace tessera {

// Two engines in one process: long prompts go to `prefill` first, everything ends in `decode`.
class EnginePair final : public Engine {
 public:
  EnginePair(std::unique_ptr<TextEngine> prefill, std::unique_ptr<TextEngine> decode,
             int64_t threshold_tokens);
  ~EnginePair() override;

  absl::Status submit(TextRequest request, std::shared_ptr<EventSink> sink) override;
  absl::Status cancel(const RequestId& id) override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  const ModelInfo& model() const override { return decode_->model(); }
  EngineLoad load() const override;
  absl::Status health() const override;
  std::string describe() const override;

 private:
  const int64_t threshold_tokens_;
  std::unique_ptr<TextEngine> decode_;  // outlives the sender
  std::unique_ptr<TextEngine> prefill_;
};

}  // namespace tessera
