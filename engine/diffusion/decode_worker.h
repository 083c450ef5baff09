// Decodes finished latents on a stream of its own, so that the lane turns between a picture that is
// decoded and jobs that are denoised. Owned by a diffusion engine; engine thread only.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/codecs/autoencoder_kl.h"
#include "engine/denoiser/denoise_batch.h"
#include "engine/device/device.h"

namespace tessera {

class DecodeWorker {
 public:
  static absl::StatusOr<std::unique_ptr<DecodeWorker>> create(std::shared_ptr<Device> device,
                                                              const AutoencoderKlConfig& config,
                                                              DType dtype,
                                                              int64_t latent_pixels_max);
  ~DecodeWorker();
  absl::Status load(const TensorFiles& files) { return decoder_.load(files, stream_); }

  int pixels_per_latent() const { return decoder_.pixels_per_latent(); }
  uint64_t bytes() const { return bytes_; }

  // Appends the decoding of one sample's latents, frame by frame. Its values stay in memory here
  // until they were fetched. `key` tells the sample apart.
  void start(int64_t key, const std::vector<float>& latents, const LatentShape& shape);
  // The oldest sample that is done: its key and pixels [frames][3][height][width] in [0, 1].
  struct Decoded {
    int64_t key = 0;
    std::vector<float> pixels;
  };
  bool poll(Decoded& decoded);
  bool idle() const { return pending_.empty(); }

 private:
  struct Pending {
    int64_t key = 0;
    std::vector<float> pixels;
    Fence fence = 0;
  };

  DecodeWorker(std::shared_ptr<Device> device, const AutoencoderKlConfig& config, DType dtype,
               Region weights);

  std::shared_ptr<Device> device_;
  Region weights_;
  std::unique_ptr<Region> scratch_;
  AutoencoderKlDecoder decoder_;
  Tensor latents_, pixels_;  // [floats] f32, of one frame
  std::deque<std::unique_ptr<Pending>> pending_;
  uint64_t bytes_ = 0;
  Stream stream_;
  bool attached_ = false;
};

}  // namespace tessera
