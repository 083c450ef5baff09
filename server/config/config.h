// Everything that can be set about one daemon: plain data with defaults. Filled by load_config from
// a YAML file and flags before any thread starts, read-only afterwards. `fields.cc` names every
// member.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/api/diffusion.h"
#include "engine/api/engine_config.h"

namespace tessera {

struct ServerConfig {
  EngineConfig engine;  // of the language model; without one its model.path is empty
  std::vector<DiffusionModelSettings> diffusion_models;

  std::string grpc_address = "127.0.0.1:50051";
  std::string metrics_address = "127.0.0.1:9464";
  bool allow_insecure = false;  // lets the addresses be other than loopback
  double drain_seconds = 30;    // live requests get this long to end after SIGTERM

  bool metrics_enabled = true;

  std::string log_level = "info";
  bool log_requests = false;  // one line per request: id, lengths, times; never the text

  double stall_seconds = 30;  // a client that reads nothing for this long is dropped
  uint64_t stream_buffer_bytes = 8ull << 20;  // unsent text of one stream
  uint64_t request_bytes_max = 16ull << 20;   // of requests that may carry tensors
  int64_t admission_threads = 2;              // check and tokenise incoming requests
  int64_t admission_queue_max = 256;          // requests waiting for that
};

}  // namespace tessera
