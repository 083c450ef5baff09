// How long a step takes, predicted from what it computes. Fitted once at start from measured steps;
// a pure value afterwards, used by the token budget, speculation width and admission.
//
//   seconds = table(rows) + per_context * contexts + per_pair * pairs
//
// `table` is piecewise linear through measured row counts, so that the knee between memory-bound
// and compute-bound steps is where the machine has it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace tessera {

// What a step computes.
struct StepShape {
  int64_t rows = 0;      // token rows through the layers
  int64_t contexts = 0;  // KV positions read: sum over segments of the position after the last row
  int64_t pairs = 0;     // (row, visible position): sum over rows of their position + 1

  // One more segment: `count` rows at positions first..first + count - 1.
  void add(int64_t first, int64_t count) {
    rows += count;
    contexts += first + count;
    pairs += count * first + count * (count + 1) / 2;
  }
  // `count` more rows in a segment whose last row is the one before position `first`.
  void extend(int64_t first, int64_t count) {
    rows += count;
    contexts += count;
    pairs += count * first + count * (count + 1) / 2;
  }
  friend bool operator==(const StepShape&, const StepShape&) = default;
};

struct StepSample {
  StepShape shape;
  double seconds = 0;
};

class CostModel {
 public:
  struct Knot {
    int64_t rows;
    double seconds;  // of a step with these rows and no context
  };

  CostModel() = default;  // every step costs nothing: only the hard cap limits
  // REQUIRES: knots ascending in rows and seconds.
  CostModel(std::vector<Knot> knots, double seconds_per_context, double seconds_per_pair);

  // Least squares for the context terms and the median at each measured row count, repeated until
  // both agree. Samples with equal rows form one knot; outliers weigh like any other sample in
  // a median. Never negative, never decreasing in rows. No samples give the empty model.
  static CostModel fit(absl::Span<const StepSample> samples);

  double predict(const StepShape& shape) const;
  // Most rows, at most `rows_max`, that a segment starting at `first` may add to `so_far` so that
  // the step stays within `target_seconds`; 0 when not even one fits.
  int64_t rows_within(const StepShape& so_far, int64_t first, int64_t rows_max,
                      double target_seconds) const;
  // The token budget: rows beyond which a step no longer gets cheaper per row (within `tolerance`),
  // but never a step above target_seconds; at least 1, at most rows_max.
  int64_t token_budget(int64_t rows_max, double target_seconds, double tolerance = 0.1) const;

  bool empty() const { return knots_.empty(); }
  const std::vector<Knot>& knots() const { return knots_; }
  double seconds_per_context() const { return per_context_; }
  double seconds_per_pair() const { return per_pair_; }
  std::string describe() const;

 private:
  double table(int64_t rows) const;
  std::vector<Knot> knots_;
  double per_context_ = 0, per_pair_ = 0;
};

}  // namespace tessera
