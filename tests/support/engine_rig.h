// Runs text requests on an engine and gathers what each was told.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/run/engine.h"
#include "gtest/gtest.h"

namespace tessera {

// Everything one request was told, checked against the event rules as it comes.
class Transcript final : public EventSink {
 public:
  struct Token {
    int32_t id;
    float logprob;
    friend bool operator==(const Token&, const Token&) = default;
  };
  struct Output {
    std::string text;
    std::vector<Token> tokens;
    int64_t token_count = 0;
    std::optional<Finished> finished;
  };

  void post(Event event) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_FALSE(ended_) << "an event after the last one";
    if (auto* prompt = std::get_if<PromptProcessed>(&event)) {
      EXPECT_FALSE(prompt_.has_value());
      EXPECT_TRUE(outputs_.empty());
      prompt_ = std::move(*prompt);
    } else if (auto* delta = std::get_if<Delta>(&event)) {
      Output& output = at(delta->output_index);
      EXPECT_FALSE(output.finished.has_value()) << "a delta after Finished";
      output.text += delta->text;
      output.token_count += delta->token_count;
      for (const TokenInfo& token : delta->tokens) {
        output.tokens.push_back({token.id, token.logprob.value_or(0)});
      }
    } else if (auto* finished = std::get_if<Finished>(&event)) {
      EXPECT_FALSE(at(finished->output_index).finished.has_value());
      at(finished->output_index).finished = *finished;
    } else {
      if (auto* completed = std::get_if<Completed>(&event)) {
        usage_ = completed->usage;
        timings_ = completed->timings;
      } else {
        failure_ = std::get<Failed>(event).status;
      }
      ended_ = true;
      changed_.notify_all();
    }
    ++events_;
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(120), [&] { return ended_; }))
        << "the request never ended";
  }
  // Until `tokens` tokens of the first output arrived, or the request ended.
  void wait_for_tokens(int64_t tokens) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(120), [&] {
      return ended_ || (!outputs_.empty() && outputs_[0].token_count >= tokens);
    });
  }

  const absl::Status& failure() const { return failure_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  const Usage& usage() const { return usage_; }
  const Timings& timings() const { return timings_; }
  const std::optional<PromptProcessed>& prompt() const { return prompt_; }

 private:
  Output& at(int index) {
    if (index >= static_cast<int>(outputs_.size())) outputs_.resize(index + 1);
    return outputs_[index];
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<PromptProcessed> prompt_;
  std::vector<Output> outputs_;
  Usage usage_;
  Timings timings_;
  absl::Status failure_;
  int64_t events_ = 0;
  bool ended_ = false;
};

inline std::string golden_folder(const std::string& name) {
  return TESSERA_SOURCE_DIR "/tests/golden/models/" + name;
}

inline EngineConfig engine_config(const std::string& folder) {
  EngineConfig config;
  config.model.path = folder;
  config.kv_cache.blocks = 512;
  config.schedule.seqs_max = 16;
  config.schedule.tokens_per_step = 64;
  config.device.threads = 2;
  return config;
}

inline std::unique_ptr<Engine> start(const EngineConfig& config) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::create(config, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

inline TextRequest token_request(const std::string& id, std::vector<int32_t> tokens,
                                 int64_t max_tokens) {
  TextRequest request;
  request.id = id;
  request.input = std::move(tokens);
  request.stopping.max_tokens = max_tokens;
  request.stopping.ignore_eos = true;
  request.sampling.temperature = 0;
  request.response.token_ids = true;
  request.response.logprobs = 0;
  return request;
}

inline std::shared_ptr<Transcript> ask(Engine& engine, TextRequest request) {
  auto transcript = std::make_shared<Transcript>();
  const absl::Status status = engine.submit(std::move(request), transcript);
  EXPECT_TRUE(status.ok()) << status;
  return transcript;
}

inline std::vector<int32_t> ids_of(const Transcript::Output& output) {
  std::vector<int32_t> ids;
  for (const Transcript::Token& token : output.tokens) ids.push_back(token.id);
  return ids;
}

}  // namespace tessera
