// Published model shapes by name: their config.json and generation_config.json as data. Stateless;
// for tools and tests.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tessera {

// How a family's tokenizer.json is laid out.
enum class TokenizerStyle { kQwen2, kQwen3, kLlama3, kSentencePiece };

struct ModelShape {
  std::string name;
  TokenizerStyle tokenizer;
  nlohmann::ordered_json config;      // config.json, keys in the published order
  nlohmann::ordered_json generation;  // generation_config.json
};

std::vector<std::string> shape_names();
// The error lists the known names.
absl::StatusOr<ModelShape> find_shape(const std::string& name);

}  // namespace tessera
