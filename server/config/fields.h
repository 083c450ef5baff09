// The one table of settings: every key of the configuration file with its target, type, bounds and
// meaning. Reading, checking, printing and the reference page all walk it. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/config/config.h"
#include "server/config/yaml_tree.h"

namespace tessera {

struct Field {
  enum class Type {
    kText,
    kPath,     // text; relative to the folder of the file that sets it
    kAddress,  // host:port
    kChoice,   // one of `choices`
    kFlag,
    kInteger,
    kNumber,
    kBytes,      // uint64_t, with units
    kSeconds,    // double, with units
    kTechnique,  // a map: `kind`, and keys that belong to the technique of that name
  };
  using Target =
      std::variant<std::string*, bool*, int*, int64_t*, uint64_t*, double*, TechniqueSettings*>;

  std::string path;  // dotted
  Type type;
  Target target;
  std::string meaning;
  double low = 0, high = 0;  // of numbers, inclusive
  bool low_excluded = false;
  bool zero_is_auto = false;  // the word `auto` may stand for 0
  std::vector<std::string> choices = {};
};

// In the order they are printed; pointers into `config`. Those of diffusion models that `config`
// has are called diffusion_models[0].path and so on.
std::vector<Field> config_fields(ServerConfig& config);

// The list of diffusion models: its key, its meaning, how many it may hold, and the path of one.
constexpr absl::string_view kModelListKey = "diffusion_models";
constexpr absl::string_view kModelListMeaning =
    "models of pictures, videos or actions, besides the language model or instead of it";
constexpr size_t kModelListMax = 16;
std::string model_path(size_t index);  // "diffusion_models[2]"

// Stores a scalar in the field's target. `folder` is where relative paths start. INVALID_ARGUMENT
// says what was expected, without saying where. REQUIRES: not a technique.
absl::Status assign(const Field& field, const YamlNode& value, absl::string_view folder);

// The current value as a YAML scalar. REQUIRES: not a technique.
std::string value_text(const Field& field);
// Type, bounds and choices, as the reference page shows them.
std::string type_text(const Field& field);

// The candidate that `name` most likely meant, or empty.
std::string nearest_key(absl::string_view name, const std::vector<std::string>& candidates);

}  // namespace tessera
