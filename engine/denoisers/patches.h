// Between latents in the pool and token rows: every denoiser of pictures begins and ends here. Pure
// but for the ops they append.
#pragma once

#include "engine/denoisers/scratch.h"
#include "engine/layers/linear_layer.h"

namespace tessera {

absl::Status check_patches(const LatentShape& shape, int patch, int frames_max);
int64_t patch_tokens(const LatentShape& shape, int patch);

// residual = projection of every segment's patches.
void embed_patches(const DenoisePass& pass, const DenoiserScratch& scratch,
                   const LinearLayer& projection, int patch);
// Rows of answers [T, p*p*C'] f32 to each segment's output range; only the first `channels`.
void place_answers(const DenoisePass& pass, const Tensor& answers, int patch, int channels);

}  // namespace tessera
