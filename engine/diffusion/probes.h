// What the host learns from a step in numbers: how much features have changed, how alike two
// answers are. Sums are formed on the device, segment by segment, so that they never depend on
// batch-mates; only they are downloaded. Owned by the denoise worker; engine thread.
#pragma once

#include <span>
#include <vector>

#include "engine/branch/cache_policy.h"
#include "engine/denoise/guidance.h"
#include "engine/denoiser/denoise_batch.h"

namespace tessera {

// Two features of one segment, by their blocks of the store.
struct FeaturePair {
  std::span<const int32_t> now, kept;
  int64_t rows = 0;
};

// Two ranges of the float pool.
struct AnswerPair {
  int64_t conditional = 0, unconditional = 0;
  int64_t count = 0;
};

class Probes {
 public:
  static constexpr int kNumbers = 3;  // per segment, at most

  Probes() = default;
  // `sums` [segments, kNumbers] f32. Uses `memory.integers`: no batch may need them any more when a
  // probe runs.
  Probes(const DenoiseMemory& memory, const Tensor& sums) : memory_(&memory), sums_(sums) {}

  // Waits for the stream.
  std::vector<RangeChange> changes(Stream& stream, std::span<const FeaturePair> pairs) const;
  // To be read with products() once the stream has been waited for. `sums` must live until then.
  void append_products(Stream& stream, std::span<const AnswerPair> pairs,
                       std::vector<float>& sums) const;
  static AnswerProducts products(std::span<const float> sums, size_t pair);

 private:
  const DenoiseMemory* memory_ = nullptr;
  Tensor sums_;
};

}  // namespace tessera
