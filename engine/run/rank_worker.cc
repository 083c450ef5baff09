#include "engine/run/rank_worker.h"

#include <algorithm>

#include "kernels/ops/embedding.h"
#include "kernels/ops/recurrence.h"

namespace tessera {
namespace {

constexpr size_t kRingBytes = size_t{4} << 20;
constexpr int64_t kPagesAtOnce = 64;   // staging of export and import
constexpr int64_t kStatesAtOnce = 64;  // staging of copies

// Every allocation of one rank, in one place, so that a dry run and the real one cannot differ.
struct Allocations {
  std::unique_ptr<Model> model;
  BatchMemory memory;
  Activations activations;
  std::vector<KvLayer> kv;
  std::vector<Tensor> states;
  Tensor page_staging, page_ids, state_staging;
};

// The memory of one rank, by what it is for.
struct Regions {
  Region &weights, &kv, &states, &scratch;
};

Allocations allocate_all(const WorkerPlan& plan, const Shard& shard, const Rank& rank,
                         const Regions& regions) {
  Allocations all;
  const ModelConfig& config = plan.config;
  all.model = plan.make_model({.config = &config,
                               .shard = shard,
                               .rank = rank,
                               .dtype = plan.dtype,
                               .positions_max = plan.limits.positions_max},
                              regions.weights);
  all.kv.resize(config.layers);
  const int64_t Hkv = shard.kv_heads.size();
  for (const AttentionGroup& group : plan.groups) {
    for (int layer : group.layers) {
      all.kv[layer] =
          allocate_kv_layer(regions.kv, plan.dtype, group.blocks, Hkv, config.head_width);
    }
  }
  const int64_t C = shard.channels.size();
  all.states.resize(config.layers);
  for (int layer : plan.states.layers) {
    all.states[layer] = regions.states.allocate(DType::kF32, {plan.states.slots, C});
  }
  Region& scratch = regions.scratch;
  all.memory = allocate_batch_memory(scratch, plan.limits);
  all.activations =
      allocate_activations(scratch, config, shard, plan.limits, plan.dtype, rank.count);
  all.page_staging =
      scratch.allocate(plan.dtype, {kPagesAtOnce, 2, Hkv, kKvBlockTokens, config.head_width});
  all.page_ids = scratch.allocate(DType::kI32, {kPagesAtOnce});
  all.state_staging = scratch.allocate(DType::kF32, {kStatesAtOnce, C});
  return all;
}

}  // namespace

absl::StatusOr<WorkerBytes> RankWorker::bytes_needed(const WorkerPlan& plan, int rank, int ranks) {
  const absl::StatusOr<Shard> shard = shard_of(plan.config, rank, ranks);
  if (!shard.ok()) return shard.status();
  Region weights = Region::dry("weights"), kv = Region::dry("kv");
  Region states = Region::dry("states"), scratch = Region::dry("scratch");
  allocate_all(plan, *shard, Rank{rank, ranks, nullptr}, {weights, kv, states, scratch});
  return WorkerBytes{weights.bytes_used(), kv.bytes_used(), states.bytes_used(),
                     scratch.bytes_used()};
}

absl::StatusOr<std::unique_ptr<RankWorker>> RankWorker::create(std::shared_ptr<Device> device,
                                                               const WorkerPlan& plan, Rank rank) {
  const absl::StatusOr<Shard> shard = shard_of(plan.config, rank.index, rank.count);
  if (!shard.ok()) return shard.status();
  std::unique_ptr<RankWorker> worker(new RankWorker(std::move(device), plan, rank, *shard));
  if (absl::Status status = worker->allocate(); !status.ok()) return status;
  worker->device_->lane().attach(worker->stream_);
  return worker;
}

RankWorker::RankWorker(std::shared_ptr<Device> device, const WorkerPlan& plan, Rank rank,
                       Shard shard)
    : device_(std::move(device)),
      plan_(plan),
      rank_(rank),
      shard_(shard),
      stream_(device_->ops(), kRingBytes) {}

RankWorker::~RankWorker() {
  if (model_ != nullptr) device_->lane().detach(stream_);
}

absl::Status RankWorker::allocate() {
  const absl::StatusOr<WorkerBytes> bytes = bytes_needed(plan_, rank_.index, rank_.count);
  if (!bytes.ok()) return bytes.status();
  const auto map = [](const char* purpose, uint64_t size, std::unique_ptr<Region>& out) {
    absl::StatusOr<Region> region = Region::create(purpose, size);
    if (region.ok()) out = std::make_unique<Region>(*std::move(region));
    return region.status();
  };
  absl::Status status = map("weights", bytes->weights, weights_);
  status.Update(map("kv", bytes->kv, kv_));
  status.Update(map("states", bytes->states, states_));
  status.Update(map("scratch", bytes->scratch, scratch_));
  if (!status.ok()) return status;
  Allocations all = allocate_all(plan_, shard_, rank_, {*weights_, *kv_, *states_, *scratch_});
  model_ = std::move(all.model);
  memory_ = all.memory;
  activations_ = all.activations;
  kv_layers_ = std::move(all.kv);
  page_staging_ = all.page_staging;
  page_ids_ = all.page_ids;
  state_layers_ = std::move(all.states);
  state_staging_ = all.state_staging;
  group_of_layer_.assign(plan_.config.layers, -1);
  for (size_t group = 0; group < plan_.groups.size(); ++group) {
    group_specs_.push_back(plan_.groups[group].spec);
    for (int layer : plan_.groups[group].layers) group_of_layer_[layer] = static_cast<int>(group);
  }
  return absl::OkStatus();
}

absl::Status RankWorker::load(const ModelFolder& folder) {
  const absl::Status status = model_->load(folder, stream_);
  stream_.wait(stream_.record());
  return status;
}

absl::Status RankWorker::launch(std::span<const std::byte> plan_bytes) {
  absl::StatusOr<StepPlan> plan = parse_step_plan(plan_bytes);
  if (!plan.ok()) return plan.status();
  auto flight = std::make_unique<Flight>();
  flight->plan = *std::move(plan);
  flight->launched = std::chrono::steady_clock::now();
  const Batch batch = build_batch(flight->plan, plan_.limits, memory_, stream_);
  append_page_copies(batch);
  append_state_copies(batch);
  const Pass pass{stream_,    batch,         memory_,         activations_,
                  kv_layers_, state_layers_, group_of_layer_, group_specs_};
  if (batch.rows > 0) model_->forward(pass);
  append_sampling(pass, batch);
  append_verification(pass, batch);
  append_downloads(*flight);
  flight->fence = stream_.record();
  flights_.push_back(std::move(flight));
  return absl::OkStatus();
}

void RankWorker::append_page_copies(const Batch& batch) {
  for (size_t group = 0; group < plan_.groups.size(); ++group) {
    const Batch::Group& views = batch.groups[group];
    for (int64_t begin = 0; begin < views.copy_from.dim(0); begin += kPagesAtOnce) {
      const int64_t count = std::min(kPagesAtOnce, views.copy_from.dim(0) - begin);
      for (int layer : plan_.groups[group].layers) {
        const KvLayer& kv = kv_layers_[layer];
        const Tensor staging = page_staging_.rows(0, count);
        kv_page_copy(stream_, {.k_pages = kv.k_pages,
                               .v_pages = kv.v_pages,
                               .pages = views.copy_from.rows(begin, count),
                               .canonical = staging,
                               .import = false});
        kv_page_copy(stream_, {.k_pages = kv.k_pages,
                               .v_pages = kv.v_pages,
                               .pages = views.copy_to.rows(begin, count),
                               .canonical = staging,
                               .import = true});
      }
    }
  }
}

void RankWorker::append_state_copies(const Batch& batch) {
  const Batch::States& views = batch.states;
  for (int64_t begin = 0; begin < views.copy_from.dim(0); begin += kStatesAtOnce) {
    const int64_t count = std::min(kStatesAtOnce, views.copy_from.dim(0) - begin);
    const Tensor staging = state_staging_.rows(0, count);
    for (int layer : plan_.states.layers) {
      const Tensor& states = state_layers_[layer];
      gather_rows(stream_,
                  {.in = states, .rows = views.copy_from.rows(begin, count), .out = staging});
      scatter_rows(stream_,
                   {.in = staging, .rows = views.copy_to.rows(begin, count), .out = states});
    }
  }
}

void RankWorker::append_sampling(const Pass& pass, const Batch& batch) {
  for (const Batch::LogitPiece& piece : batch.pieces) {
    const Tensor logits = model_->logits(pass, piece.rows);
    if (piece.sample_count == 0) continue;
    sample(stream_,
           {.logits = logits,
            .vocab_size = plan_.token_ids,
            .rows = piece.samples,
            .history = memory_.history,
            .paths = batch.paths,
            .bias_ids = batch.bias_ids,
            .bias_values = batch.bias_values,
            .last_tokens = memory_.last_tokens,
            .row_count = piece.sample_count,
            .tokens = memory_.results.rows(piece.sample_begin, piece.sample_count),
            .logprobs = memory_.logprobs.rows(piece.sample_begin, piece.sample_count),
            .logprob_ids = memory_.logprob_ids.rows(piece.sample_begin, piece.sample_count)});
  }
}

void RankWorker::append_verification(const Pass& pass, const Batch& batch) {
  const int trees = static_cast<int>(batch.plan->trees.size());
  if (trees == 0) return;
  const Tensor accepted = memory_.accepted.rows(0, trees);
  verify(stream_,
         {.trees = batch.trees,
          .tree_count = trees,
          .parents = batch.parents,
          .node_tokens = batch.node_tokens,
          .tokens = memory_.results.rows(0, static_cast<int64_t>(batch.plan->samples.size())),
          .history = memory_.history,
          .last_tokens = memory_.last_tokens,
          .accepted = accepted});
  for (size_t group = 0; group < plan_.groups.size(); ++group) {
    for (int layer : plan_.groups[group].layers) {
      kv_commit(stream_, {.k_pages = pass.kv[layer].k_pages,
                          .v_pages = pass.kv[layer].v_pages,
                          .trees = batch.trees,
                          .tree_count = trees,
                          .node_slots = batch.groups[group].node_slots,
                          .accepted = accepted});
    }
  }
  for (int layer : plan_.states.layers) {
    state_commit(stream_, {.states = state_layers_[layer],
                           .trees = batch.trees,
                           .tree_count = trees,
                           .node_slots = batch.states.node_slots,
                           .accepted = accepted});
  }
}

void RankWorker::append_downloads(Flight& flight) {
  if (rank_.index != 0) return;
  StepResult& result = flight.result;
  const int64_t samples = static_cast<int64_t>(flight.plan.samples.size());
  const int64_t trees = static_cast<int64_t>(flight.plan.trees.size());
  const auto get = [&]<class T>(const Tensor& source, std::vector<T>& target) {
    target.resize(source.elements());
    stream_.download(source, std::as_writable_bytes(std::span<T>(target)));
  };
  if (samples > 0) {
    get(memory_.results.rows(0, samples), result.tokens);
    get(memory_.logprobs.rows(0, samples), result.logprobs);
    get(memory_.logprob_ids.rows(0, samples), result.logprob_ids);
  }
  if (trees > 0) get(memory_.accepted.rows(0, trees), result.accepted);
}

bool RankWorker::oldest_is_done() const { return stream_.done(flights_.front()->fence); }

StepResult RankWorker::collect() {
  CHECK(!flights_.empty());
  Flight& flight = *flights_.front();
  stream_.wait(flight.fence);
  const auto now = std::chrono::steady_clock::now();
  // With two steps in flight the second starts on the device when the first ends.
  const auto begun = std::max(flight.launched, last_done_);
  last_done_ = now;
  StepResult result = std::move(flight.result);
  result.device_seconds = std::chrono::duration<double>(now - begun).count();
  flights_.pop_front();
  return result;
}

std::vector<std::byte> RankWorker::export_pages(int layer, std::span<const int32_t> pages) {
  const KvLayer& kv = kv_layers_[layer];
  const int64_t page_bytes = page_staging_.rows(0, 1).bytes();
  std::vector<std::byte> bytes(pages.size() * page_bytes);
  for (size_t begin = 0; begin < pages.size(); begin += kPagesAtOnce) {
    const int64_t count = std::min<int64_t>(kPagesAtOnce, pages.size() - begin);
    stream_.upload(page_ids_.rows(0, count), pages.subspan(begin, count));
    kv_page_copy(stream_, {.k_pages = kv.k_pages,
                           .v_pages = kv.v_pages,
                           .pages = page_ids_.rows(0, count),
                           .canonical = page_staging_.rows(0, count),
                           .import = false});
    stream_.download(page_staging_.rows(0, count),
                     std::span(bytes).subspan(begin * page_bytes, count * page_bytes));
  }
  stream_.wait(stream_.record());
  return bytes;
}

void RankWorker::import_pages(int layer, std::span<const int32_t> pages,
                              std::span<const std::byte> bytes) {
  const KvLayer& kv = kv_layers_[layer];
  const int64_t page_bytes = page_staging_.rows(0, 1).bytes();
  CHECK_EQ(bytes.size(), pages.size() * page_bytes);
  for (size_t begin = 0; begin < pages.size(); begin += kPagesAtOnce) {
    const int64_t count = std::min<int64_t>(kPagesAtOnce, pages.size() - begin);
    stream_.upload(page_ids_.rows(0, count), pages.subspan(begin, count));
    stream_.upload(page_staging_.rows(0, count),
                   bytes.subspan(begin * page_bytes, count * page_bytes));
    kv_page_copy(stream_, {.k_pages = kv.k_pages,
                           .v_pages = kv.v_pages,
                           .pages = page_ids_.rows(0, count),
                           .canonical = page_staging_.rows(0, count),
                           .import = true});
  }
  stream_.wait(stream_.record());
}

std::vector<std::byte> RankWorker::export_state(int layer, int32_t slot) {
  const Tensor state = state_layers_[layer].rows(slot, 1);
  std::vector<std::byte> bytes(static_cast<size_t>(state.bytes()));
  stream_.download(state, bytes);
  stream_.wait(stream_.record());
  return bytes;
}

void RankWorker::import_state(int layer, int32_t slot, std::span<const std::byte> bytes) {
  const Tensor state = state_layers_[layer].rows(slot, 1);
  CHECK_EQ(static_cast<int64_t>(bytes.size()), state.bytes());
  stream_.upload(state, bytes);
  stream_.wait(stream_.record());
}

}  // namespace tessera
