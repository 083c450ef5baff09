// tokenizer.json and tokenizer_config.json with the settings a family publishes and a made-up
// vocabulary: every published special token at its id, and below them single bytes and short
// pieces of ASCII with the merges that build them. Pure.
#pragma once

#include "nlohmann/json.hpp"
#include "tools/bench/random_model/shapes.h"

namespace tessera {

struct TokenizerFiles {
  nlohmann::ordered_json tokenizer;  // tokenizer.json
  nlohmann::ordered_json config;     // tokenizer_config.json
};

TokenizerFiles make_tokenizer(TokenizerStyle style);

}  // namespace tessera
