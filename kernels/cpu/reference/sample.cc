#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/reference/sampling.h"

namespace tessera::reference {
namespace {

// Log of the sum of exponentials; NaN if some logit is.
float log_sum_exp(std::span<const float> x) {
  float maximum = -std::numeric_limits<float>::infinity();
  for (const float one : x) {
    if (std::isnan(one)) return one;
    maximum = std::max(maximum, one);
  }
  LaneSum sum;
  for (size_t id = 0; id < x.size(); ++id) {
    sum.add(static_cast<int64_t>(id), relative_probability(x[id], maximum, 1.0f));
  }
  return maximum + log_f32(sum.total());
}

int32_t choose(const SampleRow& row, std::span<const float> y) {
  std::vector<Candidate> candidates;
  for (size_t id = 0; id < y.size(); ++id) {
    if (y[id] > -std::numeric_limits<float>::infinity()) {
      candidates.push_back({y[id], static_cast<int32_t>(id)});
    }
  }
  if (candidates.empty()) return -1;
  if (!(row.temperature > 0.0f)) {
    return std::min_element(candidates.begin(), candidates.end())->id;
  }
  std::sort(candidates.begin(), candidates.end());
  return draw(row, candidates);
}

void report(const Sample& a, const SampleRow& row, int64_t n, std::span<const float> x,
            float log_sum, int32_t token) {
  if (row.logprob_count < 0) return;
  TopIds top(alternatives_of(row));
  int32_t rank = 0;
  float own = 0.0f;
  if (token >= 0 && static_cast<size_t>(token) < x.size()) {
    own = x[token];
    rank = 1;
    for (int32_t id = 0; static_cast<size_t>(id) < x.size(); ++id) {
      rank += x[id] > own || (x[id] == own && id < token);
    }
  }
  for (size_t id = 0; token >= 0 && id < x.size(); ++id) top.offer(x[id], static_cast<int32_t>(id));
  write_report(a, row, n, log_sum, own, rank, top);
}

}  // namespace

Progress sample(Execution&, const Sample& a) {
  const auto vocab_size = static_cast<size_t>(a.vocab_size);
  std::vector<float> y(vocab_size);
  std::vector<int32_t> counts(vocab_size, 0);
  for (int n = 0; n < a.row_count; ++n) {
    const SampleRow& row = a.rows.as<SampleRow>()[n];
    const std::span<const float> x(a.logits.row<float>(row.logits_row), vocab_size);
    const float log_sum = log_sum_exp(x);
    int32_t token = row.forced_token;
    if (std::isnan(log_sum)) {
      token = -1;
    } else if (token < 0) {
      std::copy(x.begin(), x.end(), y.begin());
      if (row.bias_count > 0) apply_bias(a, row, y);
      if (has_penalties(row)) apply_penalties(a, row, y, counts);
      token = choose(row, y);
    }
    a.tokens.as<int32_t>()[n] = token;
    if (row.store_last != 0 && row.slot >= 0) a.last_tokens.as<int32_t>()[row.slot] = token;
    report(a, row, n, x, log_sum, token);
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
