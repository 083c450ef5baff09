#include "tools/bench/diffusion/picture_source.h"

#include <array>

namespace tessera {
namespace {

// The prompts of shapes-latte: tools/train/diffusion/videos.py.
constexpr std::array kColours = {"red", "green", "blue", "yellow", "magenta", "white"};
constexpr std::array kFigures = {"circle", "square", "triangle", "cross"};
constexpr std::array kMotions = {"sideways", "vertical", "circling"};

std::string prompt_of(uint64_t seed) {
  // Seeds of a run are multiples of its samples: mix them before they choose words.
  const uint64_t mixed = (seed + 1) * 0x9e3779b97f4a7c15 >> 20;
  return std::string(kColours[mixed % kColours.size()]) + " " +
         kFigures[mixed / 6 % kFigures.size()] + " " + kMotions[mixed / 24 % kMotions.size()];
}

// Values between -1 and 1 that a fixed linear congruence gives.
void fill_embeddings(const PictureSource& source, uint64_t seed, v1::Tensor& tensor) {
  tensor.add_shape(source.prompt_rows);
  tensor.add_shape(source.prompt_width);
  auto state = static_cast<uint32_t>(seed * 2 + 1);
  for (int64_t at = 0; at < source.prompt_rows * source.prompt_width; ++at) {
    state = state * 1664525u + 1013904223u;
    tensor.add_values(static_cast<float>(state >> 8) / 0x1p23f - 1);
  }
}

template <class Request>
void fill_common(const PictureSource& source, const PictureOrder& order, Request& request) {
  if (source.height > 0) request.set_height(source.height);
  if (source.width > 0) request.set_width(source.width);
  v1::Denoising& denoising = *request.mutable_denoising();
  denoising.set_steps(order.steps);
  denoising.set_seed(order.seed);
  denoising.set_samples(source.samples);
  if (source.guidance > 0) denoising.set_guidance_scale(source.guidance);
  request.mutable_output()->set_png(false);
  request.mutable_output()->set_latents(source.latents);
  request.mutable_output()->set_trace(true);
  order.setting.add_to(*request.mutable_policies());
}

}  // namespace

absl::StatusOr<DenoiseRun> ask_for(const PictureSource& source, const PictureOrder& order,
                                   const OnDenoiseStep& on_step) {
  if (!source.video) {
    v1::GenerateImageRequest request;
    fill_common(source, order, request);
    if (on_step) request.mutable_denoising()->set_progress_ms(0);
    request.set_class_label(
        static_cast<int64_t>(order.seed / source.samples % static_cast<uint64_t>(source.classes)));
    return run_denoise(source.address, request, on_step);
  }
  v1::GenerateVideoRequest request;
  fill_common(source, order, request);
  if (on_step) request.mutable_denoising()->set_progress_ms(0);
  if (source.frames > 0) request.set_frames(source.frames);
  if (source.prompt_rows > 0) {
    fill_embeddings(source, order.seed, *request.mutable_embeddings()->mutable_prompt());
  } else {
    request.mutable_prompt()->set_text(prompt_of(order.seed));
    request.mutable_prompt()->set_negative("nothing");
  }
  return run_denoise(source.address, request, on_step);
}

}  // namespace tessera
