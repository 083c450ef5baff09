// What the engine reports about itself, and to whom. One observer per engine, owned by the server;
// every call comes on the engine thread and must not block, on_memory before it on the creator's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/api/event.h"

namespace tessera {

struct StepReport {
  double plan_seconds = 0;       // deciding and building on the host
  double device_seconds = 0;     // from launch to result
  double predicted_seconds = 0;  // of these, by the cost model
  int64_t prompt_tokens = 0;     // rows of prompts
  int64_t decode_tokens = 0;     // rows of running outputs, drafts included
  int64_t draft_tokens = 0;      // drafts proposed and accepted in this step
  int64_t accepted_draft_tokens = 0;
  int64_t emitted_tokens = 0;  // tokens that became output
  int64_t preemptions = 0;
  int64_t prefix_queried_tokens = 0, prefix_hit_tokens = 0;
};

struct RequestReport {
  Usage usage;
  Timings timings;
  std::vector<double> inter_token_seconds;  // per token, after the first
  std::string outcome;                      // stop | length | cancelled | error | deadline
};

// What the memory plan grants, in bytes, all ranks together.
struct MemoryReport {
  int64_t weights = 0, kv = 0, states = 0, scratch = 0;
};

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void on_memory(const MemoryReport& report) = 0;  // once for each pool of memory
  virtual void on_step(const StepReport& report) = 0;
  virtual void on_request_end(const RequestReport& report) = 0;
};

// How busy an engine is at one moment.
struct EngineLoad {
  int64_t running = 0, waiting = 0, waiting_prompt_tokens = 0;  // sequences
  int64_t blocks_used = 0, blocks_total = 0;  // of the KV pool; cached but unused ones are free
  int64_t state_slots_used = 0, state_slots_total = 0;  // of recurrent layers
};

struct ModelInfo {
  std::string name, architecture, tokenizer_kind, dtype;
  int64_t parameters = 0, context_tokens = 0, vocab_size = 0, layers = 0;
  bool has_chat_template = false;
  std::vector<int32_t> end_ids;
};

}  // namespace tessera
