#include "engine/diffusion/denoise_worker.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/denoise/sinusoid.h"

namespace tessera {
namespace {

constexpr size_t kRingBytes = size_t{8} << 20;
constexpr int kEntriesMax = 512;  // of one combine

struct WorkerAllocations {
  std::unique_ptr<Denoiser> denoiser;
  DenoiseMemory memory;
  DenoiseBatchLimits batch_limits;
  Tensor staging, indices, entries, sums;
};

// Every allocation in one place, so that a dry run and the real one cannot differ.
WorkerAllocations allocate_all(const DenoiserFactory& make, DType dtype, const WorkerLimits& limits,
                               Region& weights, Region& jobs, Region& scratch) {
  WorkerAllocations all;
  all.denoiser = make(weights);
  const DenoiserFacts& facts = all.denoiser->facts();
  DenoiseMemory& memory = all.memory;
  memory.pool = jobs.allocate(DType::kF32, {limits.pool_floats});
  memory.modulation = jobs.allocate(
      DType::kF32, {limits.segments_max * DenoiseWorker::kWindow, facts.modulation_width});
  memory.features = jobs.allocate(
      DType::kF32, {std::max<int64_t>(limits.feature_blocks, 1) * kFeatureBlockRows, facts.width});
  for (int layer = 0; layer < facts.context_layers; ++layer) {
    memory.condition.pages.push_back(allocate_kv_layer(
        jobs, dtype, std::max<int64_t>(limits.condition_pages, 1), facts.heads, facts.head_width));
  }
  memory.condition.context =
      jobs.allocate(DType::kF32, {std::max<int64_t>(limits.context_rows, 1), facts.width});
  all.batch_limits = {.rows_max = limits.rows_max,
                      .segments_max = limits.segments_max,
                      .condition_rows_max = limits.condition_rows,
                      .sites = static_cast<int>(all.denoiser->sites().size()),
                      .smallest_attention = limits.smallest_attention};
  memory.integers = scratch.allocate(DType::kI32, {all.batch_limits.integers_max()});
  memory.pages = allocate_kv_layer(scratch, dtype, all.batch_limits.pages_max(), facts.heads,
                                   facts.head_width);
  all.denoiser->allocate_scratch(scratch, {.rows_max = limits.rows_max,
                                           .condition_rows = limits.condition_rows,
                                           .modulation_rows = DenoiseWorker::kWindow});
  const int64_t widest =
      std::max({int64_t{facts.time_width} * (1 + facts.extra_conditions), facts.pooled_width});
  all.staging = scratch.allocate(dtype, {3 * DenoiseWorker::kWindow * widest +
                                         limits.condition_rows * facts.prompt_width + 256});
  all.indices = scratch.allocate(DType::kI32, {2 * std::max(limits.condition_rows, 64)});
  all.entries = scratch.allocate(DType::kU8, {kEntriesMax, int64_t{sizeof(CombineEntry)}});
  all.sums = scratch.allocate(DType::kF32, {limits.segments_max, int64_t{Probes::kNumbers}});
  return all;
}

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

WorkerMemory DenoiseWorker::bytes_needed(const DenoiserFactory& make, DType dtype,
                                         const WorkerLimits& limits) {
  Region weights = Region::dry("weights"), jobs = Region::dry("jobs"),
         scratch = Region::dry("scratch");
  allocate_all(make, dtype, limits, weights, jobs, scratch);
  return {weights.bytes_used(), jobs.bytes_used(), scratch.bytes_used()};
}

absl::StatusOr<std::unique_ptr<DenoiseWorker>> DenoiseWorker::create(std::shared_ptr<Device> device,
                                                                     const DenoiserFactory& make,
                                                                     DType dtype,
                                                                     const WorkerLimits& limits) {
  const WorkerMemory bytes = bytes_needed(make, dtype, limits);
  std::unique_ptr<DenoiseWorker> worker(new DenoiseWorker(std::move(device), dtype, limits));
  const auto map = [](const char* purpose, uint64_t size, std::unique_ptr<Region>& out) {
    absl::StatusOr<Region> region = Region::create(purpose, size);
    if (region.ok()) out = std::make_unique<Region>(*std::move(region));
    return region.status();
  };
  absl::Status status = map("weights", bytes.weights, worker->weights_);
  status.Update(map("jobs", bytes.jobs, worker->jobs_));
  status.Update(map("scratch", bytes.scratch, worker->scratch_));
  if (!status.ok()) return status;
  WorkerAllocations all =
      allocate_all(make, dtype, limits, *worker->weights_, *worker->jobs_, *worker->scratch_);
  worker->denoiser_ = std::move(all.denoiser);
  worker->sites_ = worker->denoiser_->sites();
  worker->memory_ = std::move(all.memory);
  worker->batch_limits_ = all.batch_limits;
  worker->staging_ = all.staging;
  worker->indices_ = all.indices;
  worker->entries_ = all.entries;
  worker->probes_ = Probes(worker->memory_, all.sums);
  worker->device_->lane().attach(worker->stream_);
  return worker;
}

DenoiseWorker::DenoiseWorker(std::shared_ptr<Device> device, DType dtype,
                             const WorkerLimits& limits)
    : device_(std::move(device)),
      dtype_(dtype),
      limits_(limits),
      stream_(device_->ops(), kRingBytes) {}

DenoiseWorker::~DenoiseWorker() {
  if (denoiser_ != nullptr) device_->lane().detach(stream_);
}

Tensor DenoiseWorker::stage(std::span<const float> values, int64_t rows) {
  const int64_t columns = static_cast<int64_t>(values.size()) / rows;
  const Tensor flat = staging_.rows(0, static_cast<int64_t>(values.size()));
  if (dtype_ == DType::kF32) {
    stream_.upload(flat, values);
  } else {
    std::vector<uint16_t> narrow(values.size());
    std::transform(values.begin(), values.end(), narrow.begin(), to_bf16);
    stream_.upload(flat, std::span<const uint16_t>(narrow));
  }
  return make_tensor(flat.data, dtype_, {rows, columns});
}

void DenoiseWorker::modulate(const Modulation& what) {
  const DenoiserFacts& facts = denoiser_->facts();
  const int64_t n = static_cast<int64_t>(what.timesteps.size());
  CHECK_LE(n, kWindow);
  std::vector<float> values;
  for (const float timestep : what.timesteps) {
    const std::vector<float> row =
        sinusoid(timestep, facts.time_width, facts.time.shift, facts.time.cosine_first);
    values.insert(values.end(), row.begin(), row.end());
  }
  const size_t times = values.size();
  for (int64_t row = 0; row < n; ++row) {
    values.insert(values.end(), what.pooled.begin(), what.pooled.end());
  }
  const size_t pooled = values.size();
  for (int64_t row = 0; row < n; ++row) {
    for (const float scalar : what.extra) {
      const std::vector<float> part =
          sinusoid(scalar, facts.time_width, facts.time.shift, facts.time.cosine_first);
      values.insert(values.end(), part.begin(), part.end());
    }
  }
  const Tensor staged = stage(values, 1);
  const auto part = [&](size_t begin, size_t end) {
    if (begin == end) return Tensor{};
    const Tensor view =
        staged.columns(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
    return make_tensor(view.data, dtype_, {n, static_cast<int64_t>(end - begin) / n});
  };
  const std::vector<int32_t> labels(n, what.label);
  stream_.upload(indices_.rows(0, n), std::span<const int32_t>(labels));
  denoiser_->modulate({.stream = stream_,
                       .time = part(0, times),
                       .labels = indices_.rows(0, n),
                       .pooled = part(times, pooled),
                       .extra = part(pooled, values.size()),
                       .out = memory_.modulation.rows(int64_t{what.slot} * kWindow, n)});
}

void DenoiseWorker::condition(std::span<const float> rows, int64_t width,
                              std::span<const int32_t> pages, int64_t first_key,
                              int32_t context_store) {
  const int64_t n = static_cast<int64_t>(rows.size()) / width;
  CHECK_LE(n, limits_.condition_rows);
  std::vector<int32_t> slots(n), context(n);
  for (int64_t row = 0; row < n; ++row) {
    const int64_t key = first_key + row;
    slots[row] = pages.empty() ? -1
                               : pages[key / kKvBlockTokens] * kKvBlockTokens +
                                     static_cast<int32_t>(key % kKvBlockTokens);
    context[row] = context_store + static_cast<int32_t>(row);
  }
  const Tensor slot_rows = indices_.rows(0, n), context_rows = indices_.rows(n, n);
  stream_.upload(slot_rows, std::span<const int32_t>(slots));
  stream_.upload(context_rows, std::span<const int32_t>(context));
  denoiser_->condition({.stream = stream_,
                        .rows = stage(rows, n),
                        .kv_slots = slot_rows,
                        .context = context_rows,
                        .memory = memory_.condition});
}

void DenoiseWorker::launch(const DenoisePlan& plan, SiteClock* clock) {
  lay_out(plan);
  batch_.clock = clock;
  if (clock != nullptr) clock->begin(stream_);
  embed();
  if (clock != nullptr) clock->blocks_begin(stream_);
  blocks(0, denoiser_->block_count());
  if (clock != nullptr) clock->blocks_end(stream_);
  head();
  if (clock != nullptr) clock->end(stream_);
}

void DenoiseWorker::lay_out(const DenoisePlan& plan) {
  batch_ = build_denoise_batch(plan, sites_, batch_limits_, memory_, stream_);
}

void DenoiseWorker::upload(int64_t offset, std::span<const float> values) {
  stream_.upload(memory_.pool.rows(offset, static_cast<int64_t>(values.size())), values);
}

void DenoiseWorker::download(int64_t offset, std::span<float> values) {
  stream_.download(memory_.pool.rows(offset, static_cast<int64_t>(values.size())),
                   std::as_writable_bytes(values));
}

void DenoiseWorker::download_features(std::span<const int32_t> blocks, std::span<float> values) {
  const int64_t width = denoiser_->facts().width;
  int64_t left = static_cast<int64_t>(values.size()) / width;
  for (const int32_t block : blocks) {
    const int64_t rows = std::min<int64_t>(left, kFeatureBlockRows);
    const auto some = values.last(left * width).first(rows * width);
    stream_.download(memory_.features.rows(int64_t{block} * kFeatureBlockRows, rows),
                     std::as_writable_bytes(some));
    left -= rows;
  }
}

void DenoiseWorker::combine_pool(std::span<const CombineEntry> entries) {
  for (size_t begin = 0; begin < entries.size(); begin += kEntriesMax) {
    const auto some = entries.subspan(begin, std::min<size_t>(kEntriesMax, entries.size() - begin));
    const Tensor target = entries_.rows(0, static_cast<int64_t>(some.size()));
    stream_.upload(target, std::as_bytes(some));
    combine(
        stream_,
        {.pool = memory_.pool, .entries = target, .entry_count = static_cast<int>(some.size())});
  }
}

}  // namespace tessera
