// The device side of a diffusion engine: memory and streams of one network, and the ops of its
// steps. Owned by the engine; engine thread only; never reads tensor memory.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/denoiser/denoise_plan.h"
#include "engine/denoiser/denoiser.h"
#include "engine/device/device.h"
#include "engine/diffusion/probes.h"
#include "kernels/ops/combine.h"

namespace tessera {

// How much may be live at once. Counted in rows, floats and blocks; bytes follow from the network.
struct WorkerLimits {
  int rows_max = 0;        // token rows of a step
  int segments_max = 0;    // (sample, branch) pairs alive
  int condition_rows = 0;  // of one condition
  int64_t pool_floats = 0;
  int64_t feature_blocks = 0;
  int64_t condition_pages = 0;
  int64_t context_rows = 0;    // joint models: rows of all conditions alive
  int smallest_attention = 1;  // fewest rows that meet at a site
};

struct WorkerMemory {
  uint64_t weights = 0, jobs = 0, scratch = 0;  // bytes
};

using DenoiserFactory = std::function<std::unique_ptr<Denoiser>(Region& weights)>;

class DenoiseWorker {
 public:
  // Steps whose modulation is computed at once: every matrix of it is read once for so many steps.
  static constexpr int kWindow = 8;

  static WorkerMemory bytes_needed(const DenoiserFactory& make, DType dtype,
                                   const WorkerLimits& limits);
  static absl::StatusOr<std::unique_ptr<DenoiseWorker>> create(std::shared_ptr<Device> device,
                                                               const DenoiserFactory& make,
                                                               DType dtype,
                                                               const WorkerLimits& limits);
  ~DenoiseWorker();

  Denoiser& denoiser() { return *denoiser_; }
  const Denoiser& denoiser() const { return *denoiser_; }
  Stream& stream() { return stream_; }
  const DenoiseMemory& memory() const { return memory_; }

  // Modulation rows [slot * kWindow, + timesteps.size()) for these timesteps.
  struct Modulation {
    int32_t slot = 0;
    std::span<const float> timesteps;
    int32_t label = 0;              // class-conditional networks
    std::span<const float> pooled;  // [pooled_width]
    std::span<const float> extra;   // [extra_conditions]
  };
  void modulate(const Modulation& what);

  // Keys and values of a condition's rows [n, width] into the pages `pages`, starting at key
  // `first_key`, and the rows of its context stream to the context store.
  void condition(std::span<const float> rows, int64_t width, std::span<const int32_t> pages,
                 int64_t first_key, int32_t context_store);

  // The network's answers of every planned segment, to their output offsets.
  void launch(const DenoisePlan& plan) { launch(plan, nullptr); }
  // The same; a clock is told when the parts end.
  void launch(const DenoisePlan& plan, SiteClock* clock);
  // The same in parts: lay_out, embed, blocks one after the other, head. Between blocks a plan of
  // the same segments with other decisions may be laid out for those that follow.
  void lay_out(const DenoisePlan& plan);
  void embed() { denoiser_->embed({stream_, batch_, memory_}); }
  void blocks(int first, int end) { denoiser_->blocks({stream_, batch_, memory_}, first, end); }
  void head() { denoiser_->head({stream_, batch_, memory_}); }

  // Between parts of a step, after which a plan is laid out anew, or after its head.
  const Probes& probes() const { return probes_; }

  void upload(int64_t offset, std::span<const float> values);
  void download(int64_t offset, std::span<float> values);
  // `values` is [rows, width]: the rows that lie in these blocks of the feature store.
  void download_features(std::span<const int32_t> blocks, std::span<float> values);
  void combine_pool(std::span<const CombineEntry> entries);
  void wait() { stream_.wait(stream_.record()); }

 private:
  DenoiseWorker(std::shared_ptr<Device> device, DType dtype, const WorkerLimits& limits);
  // `values` as the network's activation type, into the next part of the staging.
  Tensor stage(std::span<const float> values, int64_t rows);

  std::shared_ptr<Device> device_;
  const DType dtype_;
  const WorkerLimits limits_;
  std::unique_ptr<Region> weights_, jobs_, scratch_;
  std::unique_ptr<Denoiser> denoiser_;
  std::vector<DenoiserSite> sites_;
  DenoiseMemory memory_;
  DenoiseBatchLimits batch_limits_;
  DenoiseBatch batch_;
  Probes probes_;
  Tensor staging_, indices_, entries_;
  Stream stream_;
};

}  // namespace tessera
