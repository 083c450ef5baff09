// Writes a whole Hugging Face folder of a published shape with random weights: config.json,
// generation_config.json, tokenizer.json, tokenizer_config.json and safetensors. Single-threaded;
// for tools and tests.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/core/dtype.h"
#include "tools/bench/random_model/shapes.h"

namespace tessera {

struct RandomModelOptions {
  std::string folder;  // made if absent; files of an earlier model in it are replaced
  int layers = 0;      // 0 = as published
  DType dtype = DType::kBf16;
  uint64_t seed = 0;
};

// The number of tensor bytes written.
absl::StatusOr<uint64_t> write_random_model(const ModelShape& shape,
                                            const RandomModelOptions& options);

// The folder `parent`/<name of the shape>, written first if it is not there; it gets that name only
// when everything in it is written. `progress` hears of it.
absl::StatusOr<std::string> ready_random_model(const ModelShape& shape, const std::string& parent,
                                               void (*progress)(const std::string& words));

}  // namespace tessera
