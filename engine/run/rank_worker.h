// One rank of one engine: its share of the weights, its KV pages, its stream. It executes
// serialised StepPlans and decides nothing. Used on the engine thread; tensors are touched by the
// lane only.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "engine/batch/batch.h"
#include "engine/device/device.h"
#include "engine/models/model.h"

namespace tessera {

// Layers that share an attention spec and the lifetime of their pages.
struct AttentionGroup {
  AttentionSpec spec;
  std::vector<int> layers;
  int64_t blocks = 0;  // pages of each layer
};

// Recurrent layers. Every sequence that runs holds one slot in each, every draft one more.
struct StateGroup {
  std::vector<int> layers;
  int64_t slots = 0;
};

struct WorkerPlan {
  ModelConfig config;
  ModelFactory make_model = nullptr;
  DType dtype = DType::kBf16;
  int64_t token_ids = 0;  // ids the tokenizer knows; the vocabulary's padding is never sampled
  BatchLimits limits;
  std::vector<AttentionGroup> groups;
  StateGroup states;
  int steps_in_flight = 1;
};

// Bytes of each region of one rank, known before anything is loaded.
struct WorkerBytes {
  uint64_t weights = 0, kv = 0, states = 0, scratch = 0;
};

class RankWorker {
 public:
  static absl::StatusOr<WorkerBytes> bytes_needed(const WorkerPlan& plan, int rank, int ranks);

  static absl::StatusOr<std::unique_ptr<RankWorker>> create(std::shared_ptr<Device> device,
                                                            const WorkerPlan& plan, Rank rank);
  ~RankWorker();

  // Packs this rank's weights; returns when they are in place.
  absl::Status load(const ModelFolder& folder);

  // Appends a step and returns at once. The plan comes as bytes, as it would from another process.
  absl::Status launch(std::span<const std::byte> plan_bytes);

  // Waits for the oldest launched step. Only rank 0 downloads results; others return empty ones.
  StepResult collect();
  bool oldest_is_done() const;

  // Copies pages of one layer out to canonical form or in from it; waits. [n, 2, Hkv, 16, Dh]
  // elements.
  std::vector<std::byte> export_pages(int layer, std::span<const int32_t> pages);
  void import_pages(int layer, std::span<const int32_t> pages, std::span<const std::byte> bytes);
  // The same for one state slot of a recurrent layer: [C] f32.
  std::vector<std::byte> export_state(int layer, int32_t slot);
  void import_state(int layer, int32_t slot, std::span<const std::byte> bytes);

  std::vector<Site> sites() const { return model_->sites(); }

 private:
  struct Flight {
    StepPlan plan;  // the batch refers to it
    Fence fence = 0;
    StepResult result;
    std::chrono::steady_clock::time_point launched;
  };

  RankWorker(std::shared_ptr<Device> device, const WorkerPlan& plan, Rank rank, Shard shard);
  absl::Status allocate();
  void append_page_copies(const Batch& batch);
  void append_state_copies(const Batch& batch);
  void append_sampling(const Pass& pass, const Batch& batch);
  void append_verification(const Pass& pass, const Batch& batch);
  void append_downloads(Flight& flight);

  std::shared_ptr<Device> device_;
  WorkerPlan plan_;
  Rank rank_;
  Shard shard_;
  std::unique_ptr<Region> weights_, kv_, states_, scratch_;
  std::unique_ptr<Model> model_;
  BatchMemory memory_;
  Activations activations_;
  std::vector<KvLayer> kv_layers_;
  std::vector<Tensor> state_layers_;  // [L]  [slots, C]  f32
  std::vector<int> group_of_layer_;   // [L]  -1 = recurrent
  std::vector<AttentionSpec> group_specs_;
  Tensor page_staging_;   // [n, 2, Hkv, 16, Dh]: one layer's pages on their way in or out
  Tensor page_ids_;       // [n]  i32
  Tensor state_staging_;  // [n, C]: states of one layer on their way from slot to slot
  Stream stream_;
  std::deque<std::unique_ptr<Flight>> flights_;
  std::chrono::steady_clock::time_point last_done_{};
};

}  // namespace tessera
