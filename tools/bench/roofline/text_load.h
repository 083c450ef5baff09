// The load that the daemon is measured under: streams of GenerateText that start together, timed at
// the client, beside what the daemon's own counters say about the same span. Main thread; each
// stream has a thread of its own for the length of a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

struct LoadShape {
  int streams = 1;
  int prompt_tokens = 1;
  int output_tokens = 1;
  bool prefix_cache = true;  // a run after the first finds its prompts computed
};

struct LoadTimes {
  double first_token_seconds = 0;  // from sending to the first token, the slowest stream
  double total_seconds = 0;        // from sending to the end of the last stream
  // While all streams had begun and none had ended: time for one token of each. 0 for one token.
  double step_seconds = 0;
  double mean_context = 0;  // tokens seen by a row in that span
  int64_t cached_tokens = 0;
  // Of the whole run, by the daemon's counters.
  double device_seconds = 0;  // in steps, launch to result
  double plan_seconds = 0;    // deciding and building steps
  int64_t steps = 0;
};

class TextLoad {
 public:
  TextLoad(std::string grpc_address, std::string metrics_address);

  // The same shape sends the same prompts. The error of the first stream that failed.
  absl::StatusOr<LoadTimes> run(const LoadShape& shape) const;

 private:
  std::string grpc_address_, metrics_address_;
};

}  // namespace tessera
