// The decoder of AutoencoderKL (Rombach et al., 2022): from latents in the float pool to pixels. A
// picture is a matrix of pixels x channels throughout. Owned by a diffusion engine, which gives it
// a stream of its own, so that decoding takes turns with denoising on the lane; engine thread.
#pragma once

#include <string>
#include <vector>

#include "engine/codecs/conv_layer.h"
#include "engine/layers/activations.h"
#include "engine/layers/linear_layer.h"
#include "engine/weights/diffusers/autoencoder_kl_config.h"

namespace tessera {

class AutoencoderKlDecoder {
 public:
  AutoencoderKlDecoder(const AutoencoderKlConfig& config, DType dtype, Region& weights);

  // For latents of at most this many pixels.
  void allocate_scratch(Region& scratch, int64_t latent_pixels);
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  int pixels_per_latent() const { return static_cast<int>(config_.pixels_per_latent()); }

  // pool[in_offset, + channels * h * w) -> pixels[out_offset, + 3 * h' * w') with h' = h *
  // pixels_per_latent(), in [-1, 1] but for what the network overshoots.
  void decode(Stream& stream, const Tensor& pool, int64_t in_offset, int height, int width,
              const Tensor& pixels, int64_t out_offset) const;

 private:
  struct Norm {
    std::string name;
    Tensor gain, bias;
  };
  struct Resnet {
    Norm norm1, norm2;
    ConvLayer conv1, conv2, shortcut;
    bool widens = false;  // shortcut is a convolution
  };
  struct UpBlock {
    std::vector<Resnet> resnets;
    ConvLayer upsampler;
    bool doubles = false;
  };
  // The picture while it is decoded: rows of one of two buffers.
  struct Picture {
    int height = 0, width = 0, channels = 0;
    int buffer = 0;
  };

  static Norm make_norm(Region& weights, const std::string& name, int channels);
  Resnet make_resnet(Region& weights, const std::string& name, int inputs, int outputs) const;
  static absl::Status load_norm(const TensorFiles& files, const Norm& norm, Stream& stream);
  static absl::Status load_resnet(const TensorFiles& files, const Resnet& resnet, Stream& stream);

  Tensor rows_of(const Picture& picture) const;
  // out [pixels, channels]: the normed picture or hidden rows, in the activation type.
  Tensor normed(Stream& stream, const Tensor& rows, const Norm& norm, bool silu) const;
  // The picture itself in the activation type, which convolutions take.
  Tensor narrowed(Stream& stream, const Picture& picture) const;
  void apply(Stream& stream, const Resnet& resnet, Picture& picture) const;
  void attend(Stream& stream, const Picture& picture) const;

  const AutoencoderKlConfig config_;
  const DType dtype_;
  LinearLayer post_quant_;
  ConvLayer conv_in_, conv_out_;
  Resnet mid_[2];
  Norm attention_norm_;
  LinearLayer qkv_, attention_out_;
  std::vector<UpBlock> blocks_;
  Norm norm_out_;

  Tensor buffers_[2];  // [floats] f32: the picture and its successor
  Tensor hidden_;      // [floats] f32: inside a resnet
  Tensor normed_;      // [elements] activation type
  Tensor gathered_;    // [elements] activation type: rows of a convolution
  Tensor latents_;     // [pixels, channels] activation type
  Tensor q_, mixed_;   // [pixels, 1, C] activation type
  Tensor qkv_rows_;    // [pixels, 3C] f32
  // Of the middle's attention, for one picture: where K and V go, the last key, the pages, the
  // segment.
  Tensor slots_, last_keys_, pages_, segment_;
  KvLayer kv_;
};

}  // namespace tessera
