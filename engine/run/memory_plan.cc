#include "engine/run/memory_plan.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "engine/device/free_memory.h"

namespace tessera {
namespace {

// "1.50 GiB"
std::string size_text(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
  return text;
}

int64_t blocks_for(int64_t tokens) { return (tokens + kKvBlockTokens - 1) / kKvBlockTokens; }

// Blocks that can be of use: every sequence at its longest, in what its group keeps.
int64_t useful_blocks(const AttentionGroup& group, const BatchLimits& limits) {
  int64_t tokens = limits.positions_max;
  if (group.spec.window > 0 && group.spec.block_stride == 0) {
    // A chunk may be as long as a step, on top of the window before it.
    tokens = std::min<int64_t>(
        tokens, group.spec.window + group.spec.sink + limits.rows_max + 2 * kKvBlockTokens);
  }
  return limits.sequences_max * (blocks_for(tokens) + 1);
}

// States come before pages: there are as many as can be of use, a slot for every sequence and one
// for every row of a step that could be a draft, or as many as the pool holds.
absl::Status plan_states(const KvCacheSettings& settings, int64_t seqs_max, uint64_t bytes_per_slot,
                         uint64_t pool, WorkerPlan& plan) {
  plan.states.slots = settings.state_slots;
  if (settings.state_slots > 0) return absl::OkStatus();
  const uint64_t useful = static_cast<uint64_t>(seqs_max + plan.limits.rows_max);
  plan.states.slots = static_cast<int64_t>(std::min(pool / bytes_per_slot, useful));
  if (plan.states.slots > 0) return absl::OkStatus();
  return absl::ResourceExhaustedError("kv_cache: no room for one state slot of " +
                                      size_text(bytes_per_slot) +
                                      "; raise kv_cache.bytes or kv_cache.memory_fraction");
}

absl::StatusOr<MemoryPlan> sum_of_ranks(const WorkerPlan& plan, int ranks) {
  MemoryPlan sum;
  for (int rank = 0; rank < ranks; ++rank) {
    const absl::StatusOr<WorkerBytes> bytes = RankWorker::bytes_needed(plan, rank, ranks);
    if (!bytes.ok()) return bytes.status();
    sum.weights += bytes->weights;
    sum.kv += bytes->kv;
    sum.states += bytes->states;
    sum.scratch += bytes->scratch;
  }
  return sum;
}

}  // namespace

std::string MemoryPlan::table() const {
  std::ostringstream out;
  out << "memory plan: weights " << size_text(weights);
  if (kv_tokens > 0) out << ", KV " << size_text(kv) << " (" << kv_tokens << " tokens)";
  if (state_slots > 0) out << ", states " << size_text(states) << " (" << state_slots << " slots)";
  out << ", scratch " << size_text(scratch) << ", total " << size_text(total()) << " of "
      << size_text(available) << " available";
  return out.str();
}

absl::StatusOr<MemoryPlan> plan_memory(const KvCacheSettings& settings, int64_t seqs_max, int ranks,
                                       WorkerPlan& plan) {
  for (AttentionGroup& group : plan.groups) group.blocks = 1;
  plan.states.slots = plan.states.layers.empty() ? 0 : 1;
  absl::StatusOr<MemoryPlan> memory = sum_of_ranks(plan, ranks);
  if (!memory.ok()) return memory.status();
  const uint64_t bytes_per_block = memory->kv, bytes_per_slot = memory->states;
  const uint64_t available = available_memory_bytes();
  const uint64_t fixed = memory->weights + memory->scratch;
  if (fixed > available) {
    return absl::ResourceExhaustedError(
        "weights (" + size_text(memory->weights) + ") and scratch (" + size_text(memory->scratch) +
        ") do not fit in the " + size_text(available) +
        " available; lower schedule.tokens_per_step, schedule.seqs_max or model.context_tokens");
  }
  uint64_t pool = settings.bytes > 0
                      ? settings.bytes
                      : static_cast<uint64_t>(settings.memory_fraction *
                                              static_cast<double>(available - fixed));
  if (!plan.states.layers.empty()) {
    const absl::Status status = plan_states(settings, seqs_max, bytes_per_slot, pool, plan);
    if (!status.ok()) return status;
    pool -= std::min(pool, bytes_per_slot * static_cast<uint64_t>(plan.states.slots));
  }
  int64_t blocks = settings.blocks;
  if (blocks == 0) {
    blocks = static_cast<int64_t>(
        std::min<uint64_t>(pool / std::max<uint64_t>(bytes_per_block, 1), int64_t{1} << 30));
  }
  for (AttentionGroup& group : plan.groups) {
    group.blocks = std::min(blocks, useful_blocks(group, plan.limits));
    if (group.blocks < 2) {
      return absl::ResourceExhaustedError("kv_cache: room for " + std::to_string(group.blocks) +
                                          " blocks of 16 tokens, at least 2 are needed");
    }
  }
  memory = sum_of_ranks(plan, ranks);
  if (!memory.ok()) return memory.status();
  memory->available = available;
  int64_t largest = 0;
  for (const AttentionGroup& group : plan.groups) largest = std::max(largest, group.blocks);
  memory->kv_tokens = largest * kKvBlockTokens;
  memory->state_slots = plan.states.slots;
  if (memory->total() > available) {
    return absl::ResourceExhaustedError("kv_cache: " + memory->table() +
                                        "; lower kv_cache.bytes or kv_cache.memory_fraction");
  }
  return memory;
}

}  // namespace tessera
