#include "engine/schedule/admission.h"

#include "absl/strings/str_cat.h"

namespace tessera {

absl::Status check_queue(const QueueLoad& load, const QueueLimits& limits, int64_t sequences,
                         int64_t prompt_tokens) {
  if (load.waiting + sequences > limits.requests_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", load.waiting, " of schedule.queue_requests_max = ",
                     limits.requests_max, " places are taken and this request needs ", sequences));
  }
  const int64_t tokens = load.waiting_prompt_tokens + prompt_tokens * sequences;
  if (limits.tokens_max > 0 && tokens > limits.tokens_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", load.waiting_prompt_tokens,
                     " prompt tokens wait, schedule.queue_tokens_max = ", limits.tokens_max,
                     " and this request brings ", prompt_tokens * sequences));
  }
  return absl::OkStatus();
}

int64_t prompt_blocks(const GroupSpec& spec, int64_t prompt_tokens, int64_t tokens_per_step) {
  // With a second step in flight two chunks are held before the window of the first moves on.
  return spec.pages_peak(prompt_tokens, 2 * tokens_per_step);
}

absl::Status check_prompt_fits(const KvCacheShape& shape, int64_t prompt_tokens,
                               int64_t tokens_per_step) {
  for (size_t group = 0; group < shape.groups.size(); ++group) {
    const int64_t pages = prompt_blocks(shape.groups[group], prompt_tokens, tokens_per_step);
    if (pages > shape.blocks[group]) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the prompt has ", prompt_tokens, " tokens and needs ", pages,
          " KV blocks of attention group ", group, ", which has ", shape.blocks[group]));
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
