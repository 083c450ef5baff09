// The sampling and stopping parameters of one request after defaults and validation: what
// `SampleRow` is filled from. Made on the server's thread at submit, read on the engine thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/request.h"
#include "engine/weights/model_config.h"
#include "kernels/ops/sample.h"

namespace tessera {

struct Sampling {
  float temperature = 1;
  int32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
  std::vector<int32_t> bias_ids;
  std::vector<float> bias_values;
  int outputs = 1;
  int logprobs = -1;         // alternatives per output token; -1 = none
  int prompt_logprobs = -1;  // alternatives per prompt token; -1 = none
};

// Defaults: the request's values, else generation_config.json's (unless `neutral`), else
// temperature 1. INVALID_ARGUMENT names the field and its bound. `drawn_seed` is used when the
// request has none.
absl::StatusOr<Sampling> resolve_sampling(const SamplingParams& params,
                                          const ResponseParams& response,
                                          const GenerationDefaults& defaults, bool neutral,
                                          int vocab_size, uint64_t drawn_seed);

// INVALID_ARGUMENT on bad stop strings, ids, or token bounds.
absl::Status validate_stopping(const StoppingParams& stopping, int vocab_size);

// The fields of a SampleRow that every token of an output shares; the caller sets rows, positions,
// history and bias.
SampleRow sample_row_of(const Sampling& sampling, int output_index);

}  // namespace tessera
