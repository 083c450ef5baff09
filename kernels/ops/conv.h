// Convolutions of the picture decoder. A picture is a matrix of pixels x channels, pixel y * width
// + x; a convolution is `im2col` of some of its pixels, then `linear`.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// Row r holds what the kernel sees around output pixel `first` + r: column (ky * kernel + kx) * C +
// c is channel c of pixel (y + ky - kernel/2, x + kx - kernel/2), zero outside. With `twice` the
// picture is first made twice as high and wide, each pixel repeated (nearest neighbour).
struct Im2Col {
  Tensor in;          // in   [height * width, C]  bf16 | f32
  int height, width;  // of `in`
  int kernel;         // odd
  bool twice;
  int64_t first;  // of the output's pixels
  Tensor out;     // out  [R, kernel^2 * C]  as `in`, or bf16
};
void im2col(Stream&, const Im2Col&);

// out = (x - mean) / sqrt(variance + eps) * gain + bias over all pixels and the channels of each
// group, then silu where it is asked for.
//
// Order: pixels are taken in blocks of kGroupNormBlock, anchored at pixel 0. Per block and channel
// the f32 sum of the pixels in ascending order times 1 / (pixels of the block) is the block's mean,
// and one chain of fused multiply-adds over (x - mean)^2 its square sum. Blocks in ascending order,
// then channels in ascending order, are joined in double: the mean of means weighted by pixels,
// square sums plus pixels * (block mean - mean)^2. With mean and inverse = 1 / sqrt(variance + eps)
// rounded to f32, out = fma(x - mean, inverse * gain, bias).
constexpr int kGroupNormBlock = 64;

struct GroupNorm {
  Tensor in;   // in   [P, C]  f32
  int groups;  // divides C
  float eps;
  Tensor gain;  // in   [C]  f32
  Tensor bias;  // in   [C]  f32
  bool silu;
  Tensor out;  // out  [P, C]  bf16 | f32; may be `in` itself (f32)
};
void group_norm(Stream&, const GroupNorm&);

}  // namespace tessera
