// How the statistics of the blocks of a group norm become those of a group, see kernels/ops/conv.h.
// Shared by every level: the numbers are few and the order is the definition.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/ops/conv.h"

namespace tessera {

inline int64_t group_norm_blocks(int64_t pixels) {
  return (pixels + kGroupNormBlock - 1) / kGroupNormBlock;
}
inline int64_t pixels_of_block(int64_t pixels, int64_t block) {
  return std::min<int64_t>(kGroupNormBlock, pixels - block * kGroupNormBlock);
}

struct GroupStatistics {
  float mean, inverse;
};

// means and squares: [blocks][C], of every block and channel.
inline GroupStatistics join_blocks(const GroupNorm& a, int64_t group, const float* means,
                                   const float* squares) {
  const int64_t P = a.in.dim(0), C = a.in.dim(1), width = C / a.groups;
  const int64_t blocks = group_norm_blocks(P), first = group * width;
  const double count = static_cast<double>(P) * static_cast<double>(width);
  double sum = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const double weight = static_cast<double>(pixels_of_block(P, block));
    for (int64_t c = first; c < first + width; ++c) {
      sum += weight * static_cast<double>(means[block * C + c]);
    }
  }
  const double mean = sum / count;
  double variance = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const double weight = static_cast<double>(pixels_of_block(P, block));
    for (int64_t c = first; c < first + width; ++c) {
      const double away = static_cast<double>(means[block * C + c]) - mean;
      variance += static_cast<double>(squares[block * C + c]) + weight * away * away;
    }
  }
  variance /= count;
  return {static_cast<float>(mean),
          static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(a.eps)))};
}

}  // namespace tessera
