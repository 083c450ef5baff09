#include "engine/diffusion/plan_limits.h"

#include <algorithm>

#include "engine/device/free_memory.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {
namespace {

constexpr int kSegmentsMax = 64;
constexpr int kSegmentsLeast = 2;          // one sample under both branches of guidance
constexpr int64_t kRowsLeast = 2048;       // of a step
constexpr int64_t kSegmentsPerStep = 4;    // of the trained size
constexpr int64_t kTensorsPerSegment = 8;  // latents, answers, noise, history
constexpr int64_t kFeatureRanges = 2;      // of a cache policy, beside the sites

int64_t context_rows_of(const DenoiserFacts& facts) {
  return facts.context_stream ? facts.prompt_tokens_max : 0;
}

// The fewest rows that meet in attention: pages of keys are whole, so few rows waste most of them.
// A picture's rows all meet; in a video those of a patch over the frames do, and those of a frame.
int smallest_attention(const Network& network, const DenoiserFacts& facts, int64_t tokens) {
  if (!facts.video) return kKvBlockTokens;
  const int64_t frames = network.shape.frames;
  return static_cast<int>(
      std::max<int64_t>(1, std::min({frames, tokens / frames, int64_t{kKvBlockTokens}}) / 4));
}

WorkerLimits limits_for(const Network& network, const DenoiserFacts& facts, int64_t tokens,
                        int64_t rows_max, int segments) {
  WorkerLimits limits;
  const int64_t segment_rows = tokens + context_rows_of(facts);
  limits.rows_max = static_cast<int>(
      rows_max > 0 ? rows_max : std::max(kRowsLeast, kSegmentsPerStep * segment_rows));
  limits.segments_max = segments;
  limits.condition_rows = static_cast<int>(std::max<int64_t>(1, facts.prompt_tokens_max));
  limits.pool_floats =
      segments * kTensorsPerSegment * round_up(network.shape.elements(), FloatPool::kAlign);
  if (facts.context_layers > 0) {
    const int64_t keys = facts.prompt_tokens_max + facts.condition_first_key;
    limits.condition_pages = segments * ((keys + kKvBlockTokens - 1) / kKvBlockTokens);
  }
  limits.context_rows = segments * round_up(context_rows_of(facts), FloatPool::kAlign);
  limits.smallest_attention = smallest_attention(network, facts, tokens);
  return limits;
}

}  // namespace

absl::StatusOr<WorkerLimits> plan_limits(const DiffusionModelSettings& settings,
                                         const Network& network, DType dtype) {
  Region dry = Region::dry("facts");
  const std::unique_ptr<Denoiser> denoiser = network.make(dry);
  const DenoiserFacts& facts = denoiser->facts();
  const int64_t tokens = denoiser->image_tokens(network.shape);
  const auto bytes_of = [&](const WorkerLimits& limits) {
    return DenoiseWorker::bytes_needed(network.make, dtype, limits);
  };
  int segments = kSegmentsMax;
  WorkerLimits limits = limits_for(network, facts, tokens, settings.rows_max, segments);
  WorkerMemory bytes = bytes_of(limits);
  const uint64_t available = available_memory_bytes(), fixed = bytes.weights + bytes.scratch;
  const uint64_t budget =
      settings.memory_bytes > 0
          ? static_cast<uint64_t>(settings.memory_bytes)
          : static_cast<uint64_t>(settings.memory_fraction *
                                  static_cast<double>(available > fixed ? available - fixed : 0));
  // Half of the memory for jobs is for what every job needs, as far as it goes.
  while (bytes.jobs > budget / 2 && segments > kSegmentsLeast) {
    segments /= 2;
    limits = limits_for(network, facts, tokens, settings.rows_max, segments);
    bytes = bytes_of(limits);
  }
  if (bytes.jobs > budget) {
    return absl::ResourceExhaustedError("one guided sample needs " + std::to_string(bytes.jobs) +
                                        " bytes, memory_bytes is " + std::to_string(budget) +
                                        "; raise memory_bytes or memory_fraction");
  }
  const int64_t block_bytes = kFeatureBlockRows * facts.width * int64_t{sizeof(float)};
  const int64_t segment_blocks =
      (tokens + context_rows_of(facts) + kFeatureBlockRows - 1) / kFeatureBlockRows;
  const int64_t useful =
      segments * segment_blocks * (static_cast<int64_t>(denoiser->sites().size()) + kFeatureRanges);
  limits.feature_blocks = std::min(useful, static_cast<int64_t>(budget - bytes.jobs) / block_bytes);
  return limits;
}

JobPools pools_of(const WorkerLimits& limits) {
  return {.floats = limits.pool_floats,
          .modulation_slots = limits.segments_max,
          .condition_pages = limits.condition_pages,
          .context_rows = limits.context_rows,
          .feature_blocks = limits.feature_blocks};
}

}  // namespace tessera
