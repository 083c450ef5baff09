// Encodes prompts on a stream of its own, so that the lane turns between a prompt that is encoded
// and jobs that are denoised, and keeps the embeddings of the latest prompts. Owned by a diffusion
// engine; engine thread only, but for ids().
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/api/diffusion.h"
#include "engine/codecs/t5_encoder.h"
#include "engine/device/device.h"

namespace tessera {

class EncodeWorker {
 public:
  static constexpr size_t kTextBytesMax = 64 << 10;
  static constexpr size_t kPromptsKept = 64;

  // `tokens_max` counts the end token. INVALID_ARGUMENT when the tokenizer has ids that the encoder
  // has no row for.
  static absl::StatusOr<std::unique_ptr<EncodeWorker>> create(
      std::shared_ptr<Device> device, const T5Config& config, DType dtype,
      std::unique_ptr<const Tokenizer> tokenizer, int tokens_max);
  ~EncodeWorker();
  absl::Status load(const TensorFiles& files);

  uint64_t bytes() const { return bytes_; }

  // Any thread. The ids of a prompt with the end token. INVALID_ARGUMENT, naming `field`, when it
  // is longer than kTextBytesMax or tokens_max.
  absl::StatusOr<std::vector<int32_t>> ids(const char* field, std::string_view text) const;

  // The embeddings [ids, width] of a prompt, valid until the next call; or null: then it is being
  // encoded, ask again. Prompts are encoded one after the other in the order of first asking.
  const FloatArray* find(const std::vector<int32_t>& ids);

 private:
  struct Prompt {
    std::vector<int32_t> ids;
    FloatArray rows;
  };
  struct Pending {
    Prompt prompt;
    Fence fence = 0;
  };

  EncodeWorker(std::shared_ptr<Device> device, const T5Config& config, DType dtype, int tokens_max,
               Region weights, std::unique_ptr<const Tokenizer> tokenizer);
  void start(const std::vector<int32_t>& ids);
  void take_done();

  std::shared_ptr<Device> device_;
  const int64_t width_;
  const int tokens_max_;
  const std::unique_ptr<const Tokenizer> tokenizer_;
  Region weights_;
  std::unique_ptr<Region> scratch_;
  T5Encoder encoder_;
  Tensor rows_;                                   // [tokens_max, D] f32
  std::deque<std::unique_ptr<Pending>> pending_;  // in the order of the stream
  std::list<Prompt> kept_;                        // latest use first
  uint64_t bytes_ = 0;
  Stream stream_;
  bool attached_ = false;
};

}  // namespace tessera
