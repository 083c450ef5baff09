// The decoder of AutoencoderKL: latents to pictures. Plain data, made once at load; any thread may
// read it.
#pragma once

#include <string_view>
#include <vector>

#include "engine/weights/json_fields.h"
#include "engine/weights/tensor_files.h"
#include "engine/weights/tensor_list.h"

namespace tessera {

struct AutoencoderKlConfig {
  int latent_channels = 0;
  // Of the encoder's stages; the decoder goes through them from the last to the first and doubles
  // height and width between two.
  std::vector<int> channels;
  int resnets_per_stage = 0;  // of the decoder: layers_per_block + 1
  int norm_groups = 0;        // divides every one of `channels`
  int sample_size = 0;        // pixels: height and width of a tile
  // The decoder's input is latents / scaling_factor + shift_factor.
  double scaling_factor = 0, shift_factor = 0;
  bool post_quant_convolution = true;
  bool mid_attention = true;  // one head as wide as the last of `channels`
  bool force_f32 = false;     // the authors saw overflow in half precision
  int64_t pixels_per_latent() const { return int64_t{1} << (channels.size() - 1); }
};

inline constexpr std::string_view kAutoencoderKlClass = "AutoencoderKL";

AutoencoderKlConfig read_autoencoder_kl_config(JsonFields& fields);

// The decoder alone; what only the encoder uses is not there.
std::vector<ExpectedTensor> expected_tensors(const AutoencoderKlConfig& config);
// Gives the attention of older files today's names and shapes and takes the encoder away.
void settle_decoder(const AutoencoderKlConfig& config, TensorFiles& files);

}  // namespace tessera
