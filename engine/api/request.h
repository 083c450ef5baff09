// What a client asks for, as plain data: the server maps wire types to this and nothing below it
// knows the wire. Absent is never zero: every optional field that is not set takes the model's or
// the deployment's default. Made on a server thread, moved into the engine by `Engine::submit`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/api/ids.h"

namespace tessera {

// Parameters of one technique, by name; each technique validates its own.
using PolicyValue = std::variant<bool, int64_t, double, std::string>;
using PolicyParams = std::map<std::string, PolicyValue>;

struct SamplingParams {
  std::optional<double> temperature;         // >= 0; 0 = greedy
  std::optional<int64_t> top_k;              // >= 0; 0 = off
  std::optional<double> top_p;               // (0, 1]
  std::optional<double> min_p;               // [0, 1)
  std::optional<double> repetition_penalty;  // > 0; 1 = off
  std::optional<double> presence_penalty;    // [-2, 2]
  std::optional<double> frequency_penalty;   // [-2, 2]
  std::optional<uint64_t> seed;              // absent: drawn by the engine and echoed
  std::map<int32_t, double> logit_bias;      // token id -> added logit, [-100, 100]
  std::optional<int64_t> n;                  // outputs per prompt, >= 1
};

struct StoppingParams {
  std::optional<int64_t> max_tokens;  // absent: to the end of the context
  std::optional<int64_t> min_tokens;  // end tokens and stop ids are banned before
  std::vector<std::string> stop;      // stop strings
  std::vector<int32_t> stop_token_ids;
  bool ignore_eos = false;
  bool include_stop_in_output = false;
};

struct ResponseParams {
  std::optional<int64_t> logprobs;         // alternatives per output token, 0..20; absent = none
  std::optional<int64_t> prompt_logprobs;  // alternatives per prompt token, 0..20; absent = none
  bool token_ids = false;                  // tokens of each delta
  bool skip_special_tokens = true;
};

// Conversation input, rendered by the folder's own template. JSON texts, as the template sees them.
struct ChatInput {
  std::string messages;            // JSON array of {role, content, ...}
  std::string tools;               // JSON array or empty
  std::string template_arguments;  // JSON object or empty: enable_thinking and the like
  bool add_generation_prompt = true;
};

struct TextRequest {
  RequestId id;
  std::string model;                                                 // empty = the only one
  std::variant<std::string, std::vector<int32_t>, ChatInput> input;  // prompt | token_ids | chat
  SamplingParams sampling;
  StoppingParams stopping;
  ResponseParams response;
  std::map<std::string, PolicyParams> policies;  // technique name -> its parameters
  int32_t priority = 0;                          // higher goes first
  bool best_effort = false;                      // runs in what the latency classes leave
  bool bypass_prefix_cache = false;
  std::string cache_salt;  // requests share cached prefixes only under the same salt
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

}  // namespace tessera
