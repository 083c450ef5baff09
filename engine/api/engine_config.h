// How an engine is set up: plain data with defaults, filled from YAML by server/config. Sizes in
// bytes, times in seconds; 0 or "auto" means measured or derived at start.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/api/request.h"

namespace tessera {

struct ModelSettings {
  std::string path;                         // Hugging Face folder
  std::string name;                         // served name; empty = the folder's name
  std::string dtype = "auto";               // auto (bf16) | bf16 | f32
  std::string sampling_defaults = "model";  // model (generation_config.json) | neutral
  int64_t context_tokens = 0;               // longest prompt + output; 0 = the model's own limit
};

struct DeviceSettings {
  std::string backend = "cpu";  // cpu | reference
  std::string isa = "auto";     // auto | scalar | avx2 | avx512 | amx
  int threads = 0;              // compute threads; 0 = affinity and cgroup quota
  int ranks = 1;                // tensor-parallel ranks in this process
};

struct KvCacheSettings {
  uint64_t bytes = 0;            // 0 = memory_fraction of what is free once weights are loaded
  double memory_fraction = 0.5;  // (0, 0.95]
  bool prefix_caching = true;
  double watermark = 0.02;  // fraction of blocks kept free at admission, [0, 0.5]
  int64_t blocks = 0;       // exact pool size, for tests and tuning; 0 = from bytes
  int64_t state_slots = 0;  // the same for recurrent layers
};

struct ScheduleSettings {
  int64_t tokens_per_step = 0;             // 0 = from the measured cost model
  int64_t seqs_max = 64;                   // sequences running at once, 1..1024
  int64_t queue_requests_max = 256;        // waiting requests; beyond that RESOURCE_EXHAUSTED
  int64_t queue_tokens_max = 0;            // waiting prompt tokens; 0 = no bound of its own
  double step_time_target_seconds = 0.25;  // long prompts are cut so that a step stays near this
  int steps_in_flight = 1;                 // 1 | 2
  std::string order = "priority";          // a registered AdmissionOrder
};

struct TechniqueSettings {
  std::string kind = "none";  // a registered name
  PolicyParams params;        // its own keys
};

struct EngineConfig {
  ModelSettings model;
  DeviceSettings device;
  KvCacheSettings kv_cache;
  ScheduleSettings schedule;
  TechniqueSettings proposer;       // speculation of every request unless it says otherwise
  TechniqueSettings branch_policy;  // which residual branches run
  TechniqueSettings attention;      // AttentionKind override of the deployment
  int hand_off_prefill_threshold_tokens =
      0;  // > 0: prompts this long are prefilled by a second engine
};

}  // namespace tessera
