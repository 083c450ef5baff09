// Between latents in the pool and rows of a matrix. The pool is one f32 vector that holds latents,
// model outputs, solver history and noise of all jobs; a picture or video in it is a contiguous
// range [channels, frames, height, width] from `offset`. Row (f * height/patch + y) * width/patch +
// x is the patch of frame f whose upper left pixel is (y * patch, x * patch).
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// Rows of patches; column (c * patch + dy) * patch + dx, which is the order of a convolution's
// weight. With patch 1 this turns planes into rows of pixels.
struct Patchify {
  Tensor pool;     // in   [N]  f32
  int64_t offset;  // of the latents, in elements
  int channels;
  int frames;
  int height, width;  // of one frame, multiples of `patch`
  int patch;
  Tensor rows;      // out  [frames * height/patch * width/patch, channels * patch^2]  bf16 | f32
  float scale = 1;  // what is written is fma(latent, scale, shift)
  float shift = 0;
};
void patchify(Stream&, const Patchify&);

// The way back; column (dy * patch + dx) * C + c. Of the C channels only the first `channels` are
// wanted (a learned variance is dropped).
struct Unpatchify {
  Tensor rows;     // in   [frames * height/patch * width/patch, patch^2 * C]  f32
  Tensor pool;     // out  [N]  f32
  int64_t offset;  // of the range written, in elements
  int channels;    // <= C
  int frames;
  int height, width;
  int patch;
};
void unpatchify(Stream&, const Unpatchify&);

}  // namespace tessera
