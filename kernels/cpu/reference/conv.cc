#include <cmath>
#include <vector>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/group_statistics.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress im2col(Execution&, const Im2Col& a) {
  const int64_t C = a.in.dim(1), shrink = a.twice ? 2 : 1;
  const int64_t height = shrink * a.height, width = shrink * a.width;
  for (int64_t r = 0; r < a.out.dim(0); ++r) {
    const int64_t y = (a.first + r) / width, x = (a.first + r) % width;
    int64_t column = r * a.out.stride[0];
    for (int64_t ky = y - a.kernel / 2; ky <= y + a.kernel / 2; ++ky) {
      for (int64_t kx = x - a.kernel / 2; kx <= x + a.kernel / 2; ++kx) {
        const bool inside = ky >= 0 && ky < height && kx >= 0 && kx < width;
        const int64_t pixel = ky / shrink * a.width + kx / shrink;
        for (int64_t c = 0; c < C; ++c, ++column) {
          const float value =
              inside ? load_element(a.in.data, a.in.dtype, pixel * a.in.stride[0] + c) : 0.0f;
          store_element(a.out.data, a.out.dtype, column, value);
        }
      }
    }
  }
  return Progress::kDone;
}

Progress group_norm(Execution&, const GroupNorm& a) {
  const int64_t P = a.in.dim(0), C = a.in.dim(1), blocks = group_norm_blocks(P);
  std::vector<float> means(static_cast<size_t>(blocks * C)), squares(means.size());
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = block * kGroupNormBlock, pixels = pixels_of_block(P, block);
    for (int64_t c = 0; c < C; ++c) {
      float& mean = means[static_cast<size_t>(block * C + c)];
      float& square = squares[static_cast<size_t>(block * C + c)];
      for (int64_t p = begin; p < begin + pixels; ++p) mean += a.in.row<float>(p)[c];
      mean *= 1.0f / static_cast<float>(pixels);
      for (int64_t p = begin; p < begin + pixels; ++p) {
        const float away = a.in.row<float>(p)[c] - mean;
        square = std::fma(away, away, square);
      }
    }
  }
  for (int64_t c = 0; c < C; ++c) {
    const GroupStatistics group = join_blocks(a, c / (C / a.groups), means.data(), squares.data());
    const float gain = group.inverse * a.gain.as<float>()[c], bias = a.bias.as<float>()[c];
    for (int64_t p = 0; p < P; ++p) {
      const float y = std::fma(a.in.row<float>(p)[c] - group.mean, gain, bias);
      store_element(a.out.data, a.out.dtype, p * a.out.stride[0] + c, a.silu ? silu(y) : y);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
