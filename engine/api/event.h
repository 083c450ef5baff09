// What the engine tells a client about its request. Rules: deltas are never cumulative; one
// `Finished` per output; `Completed` or `Failed` is the last event and comes exactly once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/api/ids.h"

namespace tessera {

struct TokenAlternative {
  int32_t id;
  std::string text;
  float logprob;
};

struct TokenInfo {
  int32_t id = 0;
  std::string text;              // this token alone; may be part of a code point
  std::optional<float> logprob;  // natural logarithm, of the model's untransformed distribution
  int32_t rank = 0;              // 1 = most probable; 0 = not asked for
  std::vector<TokenAlternative> alternatives;
};

// The prompt is known and its first chunk is computed. Comes before any delta.
struct PromptProcessed {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;               // of these, found in the prefix cache
  std::vector<TokenInfo> prompt_logprobs;  // if asked for; the first token has none
};

struct Delta {
  int32_t output_index = 0;
  std::string text;               // whole code points; may be empty while text is held back
  std::vector<TokenInfo> tokens;  // if token ids or logprobs were asked for
  int32_t token_count = 0;        // tokens this delta stands for
};

enum class FinishReason : uint8_t { kStop, kLength, kCancelled };

struct Finished {
  int32_t output_index = 0;
  FinishReason reason = FinishReason::kStop;
  std::optional<std::string> stop_text;  // at most one of these three
  std::optional<int32_t> stop_token_id;
  std::optional<int32_t> end_token_id;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_prompt_tokens = 0;
  int64_t draft_tokens = 0;  // proposed by speculation
  int64_t accepted_draft_tokens = 0;
};

// Seconds since the request was submitted.
struct Timings {
  double queue_seconds = 0;  // until first scheduled
  double first_token_seconds = 0;
  double total_seconds = 0;
  int32_t preemptions = 0;
};

struct Completed {
  Usage usage;
  Timings timings;
};

struct Failed {
  absl::Status status;
  Usage usage;
};

using Event = std::variant<PromptProcessed, Delta, Finished, Completed, Failed>;

// Where events of one request go. `post` is called on the engine thread, in order, and must not
// block; the engine never calls it again after Completed or Failed. Owned jointly by server and
// engine.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void post(Event event) = 0;
};

}  // namespace tessera
