// Writes a whole diffusers folder of a published shape with random weights: model_index.json, the
// scheduler's and the transformer's config.json and safetensors; no encoder, no decoder, so prompts
// are embeddings and results latents. Single-threaded; for tools and tests.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/core/dtype.h"
#include "tools/bench/random_model/diffusion_shapes.h"

namespace tessera {

struct RandomDiffusionOptions {
  std::string folder;  // made if absent
  int layers = 0;      // 0 = as published
  int side = 0;        // of the latents it takes itself to be trained for; 0 = as published
  int frames = 0;      // likewise, of videos
  DType dtype = DType::kBf16;
  uint64_t seed = 0;
};

// The number of tensor bytes written. Biases and tables have a standard deviation of 0.2, matrices
// 1 / sqrt(inputs): gates and modulations are as large as in a trained network.
absl::StatusOr<uint64_t> write_random_diffusion(const DiffusionShape& shape,
                                                const RandomDiffusionOptions& options);

}  // namespace tessera
