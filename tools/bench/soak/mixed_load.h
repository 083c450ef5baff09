// Clients of all sorts at once, for as long as one likes: fresh prompts, prompts that begin like an
// earlier one, answers cut short by their client. Each client waits for its answer before it asks
// again. Owned by the main thread; each client has a thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace tessera {

struct MixedLoadShape {
  int clients = 4;
  int64_t context_low = 2048, context_high = 8192;  // prompt + output of a request, in tokens
  int64_t output_low = 16, output_high = 128;
  double cancelled = 0.1;  // share of requests that their client gives up after the first tokens
  double resumed = 0.3;    // share that begins with the first half of the client's last prompt
  uint32_t token_ids = 100'000;  // prompts draw from the ids below
  uint32_t seed = 1;
};

struct MixedLoadCounts {
  int64_t finished = 0, cancelled = 0, failed = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::string first_failure;
};

class MixedLoad {
 public:
  MixedLoad(std::string address, MixedLoadShape shape);
  ~MixedLoad();  // as stop()

  // Every client gives up its request within a token; returns when all have.
  MixedLoadCounts stop();

 private:
  void run_client(int client);
  void count(const absl::Status& status, bool gave_up, const MixedLoadCounts& tokens);

  const std::string address_;
  const MixedLoadShape shape_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  MixedLoadCounts counts_;  // guarded by mutex_
  std::vector<std::thread> clients_;
};

}  // namespace tessera
