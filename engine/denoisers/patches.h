// Between latents in the pool and token rows: every denoiser of pictures begins and ends here. Pure
// but for the ops they append.
#pragma once

#include <string>

#include "engine/branch/residual.h"
#include "engine/denoisers/scratch.h"
#include "engine/layers/linear_layer.h"
#include "engine/weights/diffusers/transformer_shape.h"

namespace tessera {

absl::Status check_patches(const LatentShape& shape, int patch, int frames_max);
int64_t patch_tokens(const LatentShape& shape, int patch);

// pos_embed.proj, and the last layer, of C' * p * p outputs.
LinearLayer patch_layer(Region& weights, DType dtype, const TransformerShape& shape);
LinearLayer answer_layer(Region& weights, DType dtype, const std::string& name,
                         const TransformerShape& shape);
ScratchWidths patch_scratch_widths(const TransformerShape& shape);

// residual = projection of every segment's patches.
void embed_patches(const DenoisePass& pass, const DenoiserScratch& scratch,
                   const LinearLayer& projection, int patch);
// `norm` of the stream's image rows, the last layer, and place_answers of what it gives.
void answer_patches(const DenoisePass& pass, const DenoiserScratch& scratch,
                    const LinearLayer& last, const BranchNorm& norm, int patch, int channels);
// Rows of answers [T, p*p*C'] f32 to each segment's output range; only the first `channels`.
void place_answers(const DenoisePass& pass, const Tensor& answers, int patch, int channels);

}  // namespace tessera
