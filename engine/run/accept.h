// From a client's request to a LiveRequest: defaults, bounds, template, tokens, techniques. Runs on
// the caller's thread; uses only what is immutable after load.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/api/engine_config.h"
#include "engine/chat/chat_templates.h"
#include "engine/run/live_request.h"
#include "engine/tokenize/tokenizer.h"
#include "engine/weights/model_config.h"

namespace tessera {

// The facts of a served model that acceptance needs.
struct ServedModel {
  std::string name;
  ModelConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplates> chat;  // tells why chat is refused, where it is
  std::vector<int32_t> end_ids;         // union of the three files
  int64_t context_tokens = 0;
  int64_t prompt_tokens_max = 0;  // what the KV pool can hold
  bool neutral_sampling = false;
  BranchModel branch_model;
  TechniqueSettings proposer, branch_policy;  // of the deployment
};

// Errors as Engine::submit documents them.
absl::StatusOr<std::unique_ptr<LiveRequest>> accept_request(const ServedModel& model,
                                                            TextRequest request);

}  // namespace tessera
