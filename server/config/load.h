// Reads the configuration: defaults, then the file, then flags; each value remembers where it came
// from. Called once before any thread starts, but pure apart from reading the file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/config/config.h"

namespace tessera {

struct LoadedConfig {
  ServerConfig config;
  // Dotted path -> "file:line" or the flag that set it; absent = the default.
  std::map<std::string, std::string> origins;
};

struct ConfigSources {
  std::string file;                                // empty = none
  std::string model;                               // --model; empty = none
  std::vector<std::string> diffusion_models = {};  // --diffusion-model, in order; after the file's
  std::vector<std::string> sets;                   // --set path=value, in order; later ones win
};

// INVALID_ARGUMENT: "file:line:column: dotted.path: what is wrong", one sentence. NOT_FOUND when
// the file cannot be read.
absl::StatusOr<LoadedConfig> load_config(const ConfigSources& sources);

// One file's text. `folder` is where its relative paths start.
absl::Status apply_yaml(absl::string_view text, absl::string_view name, absl::string_view folder,
                        LoadedConfig& loaded);
// "a.b=value", the value in YAML. Relative paths start in the working directory.
absl::Status apply_set(absl::string_view assignment, LoadedConfig& loaded);
// What needs more than one value to check: addresses that others reach, a model that is missing.
absl::Status check_config(const LoadedConfig& loaded);

}  // namespace tessera
