// The parts of sampling that touch few ids, shared by every CPU level: bias and penalties on a row
// of logits, integer weights, the draw over sorted candidates, reported log-probabilities. Pure
// functions of their arguments; any compute thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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

// A relative probability in units of 2^-40, rounded to nearest: sums of up to 2^23 of them are
// exact, so a draw does not depend on the order in which a row was added up.
uint64_t weight_of(float relative_probability);

// Bias and penalties, in place on `y` [vocab_size], a copy of the row's logits.
// `counts` [vocab_size] holds zeros before and after.
void apply_bias(const Sample& a, const SampleRow& row, std::span<float> y);
void apply_penalties(const Sample& a, const SampleRow& row, std::span<float> y,
                     std::span<int32_t> counts);
bool has_penalties(const SampleRow& row);

// How many of the sorted candidates `row` keeps and the draw among them.
// REQUIRES: `sorted` holds every id that can be drawn, at least one; its first is the maximum.
int32_t draw(const SampleRow& row, std::span<const Candidate> sorted);

// What is reported about one row of untransformed logits, besides what needs the whole row.
struct RowOfLogits {
  std::span<const float> x;
  float log_sum;  // log of the sum of exponentials
};

// Writes row `n` of a.logprobs and a.logprob_ids. `token` < 0: nothing could be drawn.
void report(const Sample& a, const SampleRow& row, int64_t n, const RowOfLogits& logits,
            int32_t token);

}  // namespace tessera
