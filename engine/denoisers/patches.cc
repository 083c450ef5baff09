#include "engine/denoisers/patches.h"

#include "engine/denoisers/parts.h"
#include "kernels/ops/patch.h"

namespace tessera {

absl::Status check_patches(const LatentShape& shape, int patch, int frames_max) {
  const auto refuse = [](const std::string& what) { return absl::InvalidArgumentError(what); };
  if (shape.height < patch || shape.width < patch || shape.height % patch != 0 ||
      shape.width % patch != 0) {
    return refuse("latents of " + std::to_string(shape.width) + " x " +
                  std::to_string(shape.height) + " are not whole patches of " +
                  std::to_string(patch) + " x " + std::to_string(patch));
  }
  if (shape.frames < 1 || shape.frames > frames_max) {
    return refuse("frames is " + std::to_string(shape.frames) + ", must be in [1, " +
                  std::to_string(frames_max) + "]");
  }
  return absl::OkStatus();
}

int64_t patch_tokens(const LatentShape& shape, int patch) {
  return int64_t{shape.frames} * (shape.height / patch) * (shape.width / patch);
}

LinearLayer patch_layer(Region& weights, DType dtype, const TransformerShape& shape) {
  const int64_t inputs = int64_t{shape.in_channels} * shape.patch * shape.patch;
  LinearPart part = whole_part("pos_embed.proj", shape.width(), inputs);
  part.stored_shape = {shape.width(), shape.in_channels, shape.patch, shape.patch};
  return LinearLayer(weights, dtype, {std::move(part)}, true);
}

LinearLayer answer_layer(Region& weights, DType dtype, const std::string& name,
                         const TransformerShape& shape) {
  const int64_t outputs = int64_t{shape.out_channels} * shape.patch * shape.patch;
  return LinearLayer(weights, dtype, {whole_part(name, outputs, shape.width())}, true);
}

ScratchWidths patch_scratch_widths(const TransformerShape& shape) {
  const int64_t pixels = int64_t{shape.patch} * shape.patch;
  return {.width = shape.width(),
          .ffn_width = 4 * shape.width(),
          .patch_inputs = shape.in_channels * pixels,
          .patch_outputs = shape.out_channels * pixels,
          .heads = shape.heads,
          .head_width = shape.head_width};
}

void embed_patches(const DenoisePass& pass, const DenoiserScratch& scratch,
                   const LinearLayer& projection, int patch) {
  for (const DenoiseSegment& segment : pass.batch.segments) {
    patchify(pass.stream, {.pool = pass.memory.pool,
                           .offset = segment.input_offset,
                           .channels = segment.shape.channels,
                           .frames = segment.shape.frames,
                           .height = segment.shape.height,
                           .width = segment.shape.width,
                           .patch = patch,
                           .rows = scratch.patches.rows(segment.row_begin, segment.row_count)});
  }
  const int64_t rows = pass.batch.rows - pass.batch.context_rows;
  projection(pass.stream, scratch.patches.rows(0, rows), scratch.residual.rows(0, rows));
}

void answer_patches(const DenoisePass& pass, const DenoiserScratch& scratch,
                    const LinearLayer& last, const BranchNorm& norm, int patch, int channels) {
  const int64_t rows = pass.batch.rows - pass.batch.context_rows;
  const Tensor normed = scratch.normed.rows(0, rows), answers = scratch.answers.rows(0, rows);
  add_layer_norm(pass.stream, {.delta = {},
                               .gate = {},
                               .row_mod = pass.batch.modulation.rows(0, rows),
                               .rows = {},
                               .gain = norm.gain,
                               .bias = norm.bias,
                               .scale = norm.scale,
                               .shift = norm.shift,
                               .residual = scratch.residual.rows(0, rows),
                               .normed = normed,
                               .eps = norm.epsilon,
                               .normalise = true});
  last(pass.stream, normed, answers);
  place_answers(pass, answers, patch, channels);
}

void place_answers(const DenoisePass& pass, const Tensor& answers, int patch, int channels) {
  for (const DenoiseSegment& segment : pass.batch.segments) {
    unpatchify(pass.stream, {.rows = answers.rows(segment.row_begin, segment.row_count),
                             .pool = pass.memory.pool,
                             .offset = segment.output_offset,
                             .channels = channels,
                             .frames = segment.shape.frames,
                             .height = segment.shape.height,
                             .width = segment.shape.width,
                             .patch = patch});
  }
}

}  // namespace tessera
