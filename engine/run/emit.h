// From sampled tokens to events: stop conditions, detokenising, deltas, the last event. Engine
// thread.
#pragma once

#include "engine/batch/step_plan.h"
#include "engine/run/live_request.h"
#include "engine/tokenize/tokenizer.h"

namespace tessera {

// A sampled token and the row of the StepResult that tells its log-probabilities.
struct SampledToken {
  int32_t id = 0;
  int32_t sample = 0;
};

// Applies `tokens` in order to `output`, posts one delta for them, and, when the output ends within
// them, its Finished. Returns how many of the tokens became output; later ones are dropped.
int emit_tokens(const Tokenizer& tokenizer, const StepResult& result,
                std::span<const SampledToken> tokens, Output& output);

// Ends an output without another token: cancelled, or out of room.
void finish_output(Output& output, FinishReason reason);

// Collects log-probabilities of prompt tokens first, first + 1, ...; `samples` names their rows.
void collect_prompt_logprobs(const Tokenizer& tokenizer, const StepResult& result, int32_t first,
                             int32_t sample_begin, int32_t sample_count, LiveRequest& request);

// Tells the client that its prompt is known and its first chunk is computed, once.
void report_prompt(LiveRequest& request);

// Posts Completed or Failed, once, and returns what the observer is told.
RequestReport end_request(LiveRequest& request);

}  // namespace tessera
