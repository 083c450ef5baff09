// A frontend on a free port of this machine with a fake engine behind it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fakes/fake_engine.h"
#include "gtest/gtest.h"
#include "server/grpc/frontend.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

inline ServerConfig test_config() {
  ServerConfig config;
  config.grpc_address = "127.0.0.1:0";
  return config;
}

class TestServer {
 public:
  explicit TestServer(const ServerConfig& config = test_config(), bool opens = true)
      : frontend(config, [this](const std::string&, absl::StatusCode code) {
          std::lock_guard lock(mutex_);
          refused_.push_back(code);
        }) {
    const absl::Status status = frontend.start();
    EXPECT_TRUE(status.ok()) << status;
    if (opens) open();
  }
  ~TestServer() {
    frontend.stop();
    EXPECT_TRUE(engine.wait_until_idle()) << "the server left a request behind";
  }

  void open() { frontend.open({.text = &engine}); }
  int port() const { return frontend.port(); }
  std::vector<absl::StatusCode> refused() {
    std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  std::mutex mutex_;
  std::vector<absl::StatusCode> refused_;

 public:
  FakeEngine engine;
  Frontend frontend;
};

inline v1::GenerateTextRequest prompt_request(const std::string& id, const std::string& prompt) {
  v1::GenerateTextRequest request;
  request.set_request_id(id);
  request.set_prompt(prompt);
  return request;
}

// Two deltas and a proper end.
inline void say_hello(FakeEngine& engine, const TextRequest& request) {
  engine.post(request.id,
              PromptProcessed{.prompt_tokens = 3, .cached_tokens = 1, .prompt_logprobs = {}});
  engine.post(request.id,
              Delta{.output_index = 0, .text = "Hello", .tokens = {}, .token_count = 1});
  engine.post(request.id,
              Delta{.output_index = 0, .text = " world", .tokens = {}, .token_count = 2});
  Finished finished;
  finished.reason = FinishReason::kStop;
  finished.stop_text = "!";
  engine.post(request.id, finished);
  engine.post(request.id, Completed{.usage = {.prompt_tokens = 3, .completion_tokens = 3},
                                    .timings = {.queue_seconds = 0.5, .preemptions = 2}});
}

}  // namespace tessera
