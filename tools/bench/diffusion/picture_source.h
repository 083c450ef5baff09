// Asks one model for pictures or videos of given seeds. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "tools/bench/diffusion/denoise_run.h"
#include "tools/bench/diffusion/policy_setting.h"

namespace tessera {

struct PictureSource {
  std::string address;
  bool video = false;
  bool latents = false;                       // the answer is latents: the model has no decoder
  int64_t height = 0, width = 0, frames = 0;  // 0 = the model's
  int64_t classes = 10;                       // of pictures
  int64_t prompt_rows = 0, prompt_width = 0;  // random embeddings instead of words; 0 = words
  int samples = 1;                            // of a request
  double guidance = 0;                        // its scale; 0 = the model's
};

struct PictureOrder {
  uint64_t seed = 0;  // of the first sample; it also chooses the class or the prompt
  int steps = 50;
  PolicySetting setting;
};

absl::StatusOr<DenoiseRun> ask_for(const PictureSource& source, const PictureOrder& order,
                                   const OnDenoiseStep& on_step = nullptr);

}  // namespace tessera
