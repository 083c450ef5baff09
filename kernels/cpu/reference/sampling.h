// The parts of sampling that touch few ids, shared by every CPU level: bias and penalties on a row
// of logits, integer weights, the draw over sorted candidates, reported log-probabilities. Pure
// functions of their arguments; any compute thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/ops/sample.h"

namespace tessera {

struct Candidate {
  float y;  // transformed logit, before the temperature
  int32_t id;

  // Descending logit, ties by ascending id: the order in which the CDF runs.
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.y > b.y || (a.y == b.y && a.id < b.id);
  }
};

// exp((y - maximum) / temperature), 1 at the maximum. REQUIRES: temperature > 0, y <= maximum.
float relative_probability(float y, float maximum, float temperature);

// A relative probability in units of 2^-40, rounded to nearest even: sums of up to 2^23 of them are
// exact, so a draw does not depend on the order in which a row was added up.
inline uint64_t weight_of(float relative_probability) {
  // Beside 2^52 a double has no fraction bits left, so the addition rounds and the low bits count.
  const double shifted = static_cast<double>(relative_probability) * 0x1p40 + 0x1p52;
  return std::bit_cast<uint64_t>(shifted) - std::bit_cast<uint64_t>(0x1p52);
}

// floor(u * total / 2^64) for the row's uniform u: the cumulative weight that a draw must exceed.
uint64_t draw_target(const SampleRow& row, uint64_t total);

// Bias and penalties, in place on `y` [vocab_size], a copy of the row's logits.
// `counts` [vocab_size] holds zeros before and after.
void apply_bias(const Sample& a, const SampleRow& row, std::span<float> y);
void apply_penalties(const Sample& a, const SampleRow& row, std::span<float> y,
                     std::span<int32_t> counts);
bool has_penalties(const SampleRow& row);

// How many of the sorted candidates `row` keeps and the draw among them.
// REQUIRES: `sorted` holds every id that can be drawn, at least one; its first is the maximum.
int32_t draw(const SampleRow& row, std::span<const Candidate> sorted);

// The `wanted` best ids of a row, offered in ascending order of ids.
class TopIds {
 public:
  explicit TopIds(int wanted) : wanted_(wanted) {}
  bool full() const { return found_ == wanted_; }
  // What a later id must exceed once the list is full. REQUIRES: something is wanted, and full.
  float threshold() const { return best_[static_cast<size_t>(found_) - 1].y; }
  void offer(float x, int32_t id);
  std::span<const Candidate> best() const { return {best_.data(), static_cast<size_t>(found_)}; }

 private:
  int wanted_;
  int found_ = 0;
  std::array<Candidate, Sample::kMaxLogprobs + 1> best_;
};

// How many alternatives the row wants, in [0, kMaxLogprobs].
int alternatives_of(const SampleRow& row);

// Writes row `n` of a.logprobs and a.logprob_ids. `rank` is the token's, from 1; 0: nothing could
// be drawn, or the token is no id of the vocabulary.
void write_report(const Sample& a, const SampleRow& row, int64_t n, float log_sum,
                  float token_logit, int32_t rank, const TopIds& top);

}  // namespace tessera
