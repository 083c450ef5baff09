// Decodes latents on a stream of its own, so that the lane turns between a picture that is decoded
// and jobs that are denoised. Large pictures are decoded in tiles, videos frame by frame, and only
// as many pieces are appended as the stream's ring holds, so the engine's thread never waits here.
// Owned by a diffusion engine; engine thread only.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/codecs/autoencoder_kl.h"
#include "engine/codecs/picture_tiles.h"
#include "engine/denoiser/denoise_batch.h"
#include "engine/device/device.h"

namespace tessera {

class DecodeWorker {
 public:
  // Pictures of at most `whole_latent_pixels`, or of a tile of the decoder's training if that is
  // more, are decoded at once; memory is for so many.
  static absl::StatusOr<std::unique_ptr<DecodeWorker>> create(std::shared_ptr<Device> device,
                                                              const AutoencoderKlConfig& config,
                                                              DType dtype,
                                                              int64_t whole_latent_pixels);
  ~DecodeWorker();
  absl::Status load(const TensorFiles& files) { return decoder_.load(files, stream_); }

  int pixels_per_latent() const { return decoder_.pixels_per_latent(); }
  uint64_t bytes() const { return bytes_; }

  // `key` tells jobs apart; `step` is 0 for what a job answers, else that of a preview.
  struct Sample {
    int64_t key = 0;
    int32_t step = 0;
    std::vector<float> latents;  // [channels][frames][height][width]
    LatentShape shape;
  };
  // Samples are decoded one after the other.
  void start(Sample sample);
  // The oldest sample that is done: pixels [frames][3][height][width] in [0, 1].
  struct Decoded {
    int64_t key = 0;
    int32_t step = 0;
    std::vector<float> pixels;
  };
  bool poll(Decoded& decoded);
  // Forgets the samples of a job but for the pieces that are under way.
  void drop(int64_t key);
  bool idle() const { return works_.empty(); }

 private:
  struct Work {
    Sample sample;
    PictureTiles tiles;
    std::vector<float> pixels;                // of the frames that are done
    std::vector<std::vector<float>> decoded;  // tiles of the next frame
    size_t launched = 0, collected = 0;       // pieces
    bool dropped = false;
    size_t pieces() const { return tiles.boxes().size() * sample.shape.frames; }
    bool done() const { return collected == (dropped ? launched : pieces()); }
  };
  struct Piece {
    Work* work = nullptr;
    std::vector<float> pixels;
    Fence fence = 0;
  };

  DecodeWorker(std::shared_ptr<Device> device, const AutoencoderKlConfig& config, DType dtype,
               int64_t whole_latent_pixels, Region weights);
  void collect();
  void launch_more();
  void launch(Work& work);

  std::shared_ptr<Device> device_;
  const int side_;  // of a tile, latent pixels
  const int64_t whole_latent_pixels_;
  const size_t pieces_max_;  // under way
  Region weights_;
  std::unique_ptr<Region> scratch_;
  AutoencoderKlDecoder decoder_;
  Tensor latents_, pixels_;  // [floats] f32, of one piece
  std::deque<std::unique_ptr<Work>> works_;
  std::deque<std::unique_ptr<Piece>> pieces_;  // in the order of the stream
  uint64_t bytes_ = 0;
  Stream stream_;
  bool attached_ = false;
};

}  // namespace tessera
