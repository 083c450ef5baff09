// What a model folder says about its solver, read from the scheduler_config.json of diffusers. The
// keys of a class are the parameters of its solver; keys that only ever hold one supported value
// are fixed. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/request.h"
#include "nlohmann/json.hpp"

namespace tessera {

// Solvers of one process cannot stand in for those of the other.
enum class Process : uint8_t { kVariancePreserving, kFlow };

// A key that must be absent, null or have this value.
struct FixedKey {
  std::string key;
  nlohmann::json value;
};

// How -Infinity, which is no JSON but which Python writes, reads in a parsed file.
inline constexpr const char* kMinusInfinity = "-Infinity";

// Dynamic thresholding and given or rescaled betas.
std::vector<FixedKey> unsupported_everywhere();

struct SchedulerClass {
  std::string class_name;  // in scheduler_config.json
  Process process;
  std::vector<FixedKey> fixed;
};

struct SchedulerConfig {
  std::string solver;                // name in the registry
  PolicyParams params;               // of that solver
  std::vector<std::string> ignored;  // keys that mean nothing to it, for the log
};

// The object in `text`, at most 1 MiB, with NaN and infinities outside strings read as strings.
absl::StatusOr<nlohmann::json> parse_python_json(std::string_view file, std::string_view text);

// Distributes the keys of `object` over fixed keys, the parameters that `known` names, and the
// rest. UNIMPLEMENTED names a fixed key with another value.
absl::StatusOr<SchedulerConfig> read_scheduler_keys(std::string_view file,
                                                    const nlohmann::json& object,
                                                    const SchedulerClass& scheduler,
                                                    const std::vector<std::string>& known);

}  // namespace tessera
