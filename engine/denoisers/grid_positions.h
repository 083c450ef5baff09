// The 2-D sine-cosine position table of DiT and its kin. It is separable: the first half of the
// columns depends on the column of a token alone, the second on its row, so what is stored is one
// row per coordinate of each grid extent in use. Owned by a denoiser; engine thread.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "engine/denoiser/denoiser.h"

namespace tessera {

// sin(p w_k), then cos(p w_k), with w_k = 10000^(-k / (columns / 2)), in double, rounded once.
std::vector<float> sine_cosine_row(double position, int64_t columns);

class GridPositions {
 public:
  GridPositions() = default;
  GridPositions(Region& weights, int64_t width);

  // Of a grid of height x width tokens, `frames` times. Coordinates are i / (extent / base) /
  // interpolation, as diffusers computes them in f32.
  absl::StatusOr<PositionRows> rows(int height, int width, int base, double interpolation,
                                    int frames, Stream& stream);
  void add(const DenoisePass& pass, const Tensor& residual) const;

 private:
  absl::StatusOr<int32_t> axis(int extent, int base, double interpolation, Stream& stream);

  int64_t half_ = 0;                                      // D / 2
  Tensor table_;                                          // [kRows, D / 2] f32
  std::map<std::tuple<int, int, double>, int32_t> axes_;  // first row of each
  int32_t used_ = 0;
};

}  // namespace tessera
