// A draw without sorting the vocabulary: candidates fall into bins by their distance from the
// maximum, bins are passed over by count and weight, and only the one where something is decided is
// sorted. Gives exactly what `draw` gives on the sorted list (kernels/cpu/reference/sampling.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/ops/sample.h"

namespace tessera {

// Candidates in ascending id, as arrays of equal length.
struct Candidates {
  std::span<const float> y;
  std::span<const int32_t> id;
  std::span<const float> probability;  // relative to the maximum's
  uint64_t
      rest;  // weight of all candidates that are not here; each of them stands behind those here
};

// Beyond this distance, in units of the temperature, a weight is zero.
constexpr float kFarthest = 32.0f;

// The token that `row` draws; nothing if that depends on the rest. `order` is scratch of the same
// length. REQUIRES: temperature > 0 and the maximum is among the candidates.
std::optional<int32_t> draw_unsorted(const SampleRow& row, const Candidates& candidates,
                                     float maximum, std::span<int32_t> order);

}  // namespace tessera
