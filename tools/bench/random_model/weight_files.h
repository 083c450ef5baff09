// Random weights written straight to safetensors files with bounded memory. Single-threaded; for
// tools and tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/weights/expected_tensors.h"
#include "kernels/core/dtype.h"

namespace tessera {

struct WeightFileOptions {
  std::string folder;          // exists
  std::string name = "model";  // of the files, before ".safetensors" or the number of the shard
  DType dtype = DType::kBf16;  // kBf16 or kF32
  uint64_t seed = 0;
  double scale = 0.02;  // standard deviation of all but norm gains
  // Matrices and convolutions have 1 / sqrt(inputs of an output) instead, so that what comes out of
  // one is as large as what went in and nothing fades or explodes in a deep network.
  bool scale_by_inputs = false;
  uint64_t max_shard_bytes = 2'000'000'000;  // more than this becomes several files and an index
};

// Writes NAME.safetensors, or shards with NAME.safetensors.index.json. A tensor's values depend
// on seed, its place in the list and dtype alone, not on the sharding. Norm gains are 1.
absl::Status write_random_weights(const std::vector<ExpectedTensor>& tensors,
                                  const WeightFileOptions& options);

}  // namespace tessera
