// Reads the rope parameters out of config.json, in both dialects: `rope_theta` with `rope_scaling`
// (whose kind stands under `rope_type` or `type`), and `rope_parameters`. Called by
// parse_model_config only.
#pragma once

#include "engine/weights/json_fields.h"
#include "engine/weights/rope.h"

namespace tessera {

// Mistakes go to the error of `config`. A non-empty rope_scaling hides rope_parameters, and a value
// inside either hides the same key at the top, except original_max_position_embeddings, where the
// top wins; all as in transformers.
RopeConfig parse_rope_config(JsonFields& config, int max_positions, absl::Status& error);

}  // namespace tessera
