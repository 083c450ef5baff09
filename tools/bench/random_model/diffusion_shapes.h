// Published shapes of diffusion transformers by name: the files of their diffusers folders as data,
// without encoders and decoders. Stateless; for tools and tests.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tessera {

struct DiffusionShape {
  std::string name;
  nlohmann::ordered_json model_index;
  nlohmann::ordered_json scheduler;    // scheduler/scheduler_config.json
  nlohmann::ordered_json transformer;  // transformer/config.json
};

std::vector<std::string> diffusion_shape_names();
// The error lists the known names.
absl::StatusOr<DiffusionShape> find_diffusion_shape(const std::string& name);

}  // namespace tessera
