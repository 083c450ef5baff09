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
  DType dtype = DType::kBf16;  // kBf16 or kF32
  uint64_t seed = 0;
  double scale = 0.02;                       // standard deviation of all but norm gains
  uint64_t max_shard_bytes = 2'000'000'000;  // more than this becomes several files and an index
};

// Writes model.safetensors, or shards with model.safetensors.index.json. A tensor's values depend
// on seed, its place in the list and dtype alone, not on the sharding. Norm gains are 1.
absl::Status write_random_weights(const std::vector<ExpectedTensor>& tensors,
                                  const WeightFileOptions& options);

}  // namespace tessera
