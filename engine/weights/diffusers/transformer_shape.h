// The dimensions that DiT, PixArt, Latte and SD3 share, and their tensors that are alike. Pure; any
// thread.
#pragma once

#include <string>

#include "engine/weights/json_fields.h"
#include "engine/weights/tensor_list.h"

namespace tessera {

struct TransformerShape {
  int layers = 0;        // L; of a video model: pairs of a spatial and a temporal block
  int heads = 0;         // H
  int head_width = 0;    // Dh, even
  int in_channels = 0;   // of latents
  int out_channels = 0;  // in_channels, or twice that when a variance is learned beside epsilon
  int patch = 0;         // a token is patch x patch latent pixels
  int sample_size = 0;   // latent height and width in training: where the position table ends
  int64_t width() const { return int64_t{heads} * head_width; }  // D, a multiple of 4
};

// What the classes of diffusers assume where config.json is silent; 0 = the key must be there, an
// absent out_channels means in_channels.
struct ShapeDefaults {
  int layers = 0, head_width = 0, heads = 16, in_channels = 0, out_channels = 0, patch = 0;
  int sample_size = 0;
};
TransformerShape read_transformer_shape(JsonFields& fields, const ShapeDefaults& defaults);

// Of the three models made of BasicTransformerBlock: norms without parameters, a GELU of the tanh
// kind, nothing of the sort that only other models have.
void check_basic_blocks(JsonFields& fields, const char* norm_type);

// "to_q", "to_k", "to_v" and "to_out.0" under `name`; keys and values are of `context` wide rows.
void add_attention(TensorList& list, const std::string& name, int64_t width, int64_t context,
                   bool bias);
// "net.0.proj" and "net.2" under `name`: D -> 4 D -> D.
void add_feed_forward(TensorList& list, const std::string& name, int64_t width);
// "linear_1" and "linear_2" under `name`.
void add_embedder(TensorList& list, const std::string& name, int64_t inputs, int64_t width);

// Width of the sinusoids of timesteps and sizes.
inline constexpr int64_t kSinusoidWidth = 256;

}  // namespace tessera
