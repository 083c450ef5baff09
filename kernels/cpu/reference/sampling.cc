#include "kernels/cpu/reference/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/core/check.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/ops/philox.h"

namespace tessera {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Calls visit(id, is_output) for every token of the row's history and path that is in the
// vocabulary.
template <class Visit>
void for_each_past_token(const Sample& a, const SampleRow& row, size_t vocab_size, Visit&& visit) {
  const auto in_vocabulary = [vocab_size](int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < vocab_size;
  };
  if (row.slot >= 0) {
    CHECK_LE(row.history_count, a.history.dim(1));
    const int32_t* history = a.history.row<int32_t>(row.slot);
    for (int32_t index = 0; index < row.history_count; ++index) {
      if (in_vocabulary(history[index])) visit(history[index], index >= row.prompt_count);
    }
  }
  for (int32_t index = 0; index < row.path_count; ++index) {
    const int32_t id = a.paths.as<int32_t>()[row.path_begin + index];
    if (in_vocabulary(id)) visit(id, true);
  }
}

// The largest prefix that top-k, top-p and min-p all keep.
size_t kept_prefix(const SampleRow& row, std::span<const Candidate> sorted) {
  const float maximum = sorted.front().y;
  size_t kept = sorted.size();
  if (row.top_k > 0) kept = std::min(kept, static_cast<size_t>(row.top_k));
  const auto probability = [&](size_t index) {
    return relative_probability(sorted[index].y, maximum, row.temperature);
  };
  if (row.top_p < 1.0f) {
    uint64_t total = 0, sum = 0;
    for (size_t index = 0; index < kept; ++index) total += weight_of(probability(index));
    const double wanted = static_cast<double>(row.top_p) * static_cast<double>(total);
    size_t prefix = 0;
    while (prefix < kept && (prefix == 0 || static_cast<double>(sum) < wanted)) {
      sum += weight_of(probability(prefix++));
    }
    kept = prefix;
  }
  if (row.min_p > 0.0f) {
    size_t prefix = 1;
    while (prefix < kept && probability(prefix) >= row.min_p) ++prefix;
    kept = prefix;
  }
  return kept;
}

}  // namespace

float relative_probability(float y, float maximum, float temperature) {
  // The maximum may be infinite, and infinity less itself is no number.
  return y == maximum ? 1.0f : exp_f32((y - maximum) / temperature);
}

uint64_t draw_target(const SampleRow& row, uint64_t total) {
  const uint64_t bits = philox_bits(row.seed_low, row.seed_high, row.output_index, row.position,
                                    DrawPurpose::kSample);
  return static_cast<uint64_t>(static_cast<unsigned __int128>(bits) * total >> 64);
}

bool has_penalties(const SampleRow& row) {
  return row.repetition_penalty != 1.0f || row.presence_penalty != 0.0f ||
         row.frequency_penalty != 0.0f;
}

void apply_bias(const Sample& a, const SampleRow& row, std::span<float> y) {
  const int32_t* ids = a.bias_ids.as<int32_t>() + row.bias_begin;
  const float* values = a.bias_values.as<float>() + row.bias_begin;
  const auto everyone = std::find(ids, ids + row.bias_count, -1);
  if (everyone == ids + row.bias_count) {
    for (int32_t entry = 0; entry < row.bias_count; ++entry) {
      if (ids[entry] >= 0 && static_cast<size_t>(ids[entry]) < y.size()) {
        y[ids[entry]] += values[entry];
      }
    }
    return;
  }
  // Ids with an entry of their own are set aside while the rest takes the common value.
  std::vector<Candidate> own;
  for (int32_t entry = 0; entry < row.bias_count; ++entry) {
    const int32_t id = ids[entry];
    if (id >= 0 && static_cast<size_t>(id) < y.size()) own.push_back({y[id] + values[entry], id});
  }
  for (float& one : y) one += values[everyone - ids];
  for (const Candidate& one : own) y[one.id] = one.y;
}

void apply_penalties(const Sample& a, const SampleRow& row, std::span<float> y,
                     std::span<int32_t> counts) {
  constexpr int32_t kSeen = 1 << 30;  // besides the count of outputs, which stays below
  for_each_past_token(a, row, y.size(), [&](int32_t id, bool is_output) {
    counts[id] = (counts[id] | kSeen) + (is_output ? 1 : 0);
  });
  // The second walk applies each id at its first occurrence and clears its count.
  for_each_past_token(a, row, y.size(), [&](int32_t id, bool) {
    if (counts[id] == 0) return;
    const int32_t outputs = counts[id] & ~kSeen;
    counts[id] = 0;
    y[id] = y[id] > 0.0f ? y[id] / row.repetition_penalty : y[id] * row.repetition_penalty;
    if (outputs == 0) return;
    y[id] -= row.presence_penalty;
    y[id] -= row.frequency_penalty * static_cast<float>(outputs);
  });
}

int32_t draw(const SampleRow& row, std::span<const Candidate> sorted) {
  const size_t kept = kept_prefix(row, sorted);
  const float maximum = sorted.front().y;
  const auto weight = [&](size_t index) {
    return weight_of(relative_probability(sorted[index].y, maximum, row.temperature));
  };
  uint64_t total = 0;
  for (size_t index = 0; index < kept; ++index) total += weight(index);
  const uint64_t target = draw_target(row, total);
  uint64_t sum = 0;
  for (size_t index = 0; index < kept; ++index) {
    sum += weight(index);
    if (sum > target) return sorted[index].id;
  }
  return sorted.front().id;
}

void TopIds::offer(float x, int32_t id) {
  const Candidate one{x, id};
  if (wanted_ == 0 || (full() && !(one < best_[static_cast<size_t>(found_) - 1]))) return;
  size_t place = static_cast<size_t>(found_);
  while (place > 0 && one < best_[place - 1]) {
    best_[place] = best_[place - 1];
    --place;
  }
  best_[place] = one;
  found_ = std::min(found_ + 1, wanted_);
}

int alternatives_of(const SampleRow& row) {
  return std::clamp(row.logprob_count, 0, Sample::kMaxLogprobs);
}

void write_report(const Sample& a, const SampleRow& row, int64_t n, float log_sum,
                  float token_logit, int32_t rank, const TopIds& top) {
  float* logprobs = a.logprobs.row<float>(n);
  int32_t* ids = a.logprob_ids.row<int32_t>(n);
  logprobs[0] = rank > 0 ? token_logit - log_sum : kNever;
  ids[0] = rank;
  const auto found = static_cast<int>(top.best().size());
  for (int index = 0; index < alternatives_of(row); ++index) {
    logprobs[1 + index] = index < found ? top.best()[index].y - log_sum : kNever;
    ids[1 + index] = index < found ? top.best()[index].id : -1;
  }
}

}  // namespace tessera
