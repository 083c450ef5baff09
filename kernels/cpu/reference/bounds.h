// Indices and offsets that stand in device memory, CHECKed before they become addresses: the lists
// of the diffusion ops. Shared by the reference and the faster levels.
#pragma once

#include <cstdint>

#include "kernels/core/check.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/combine.h"
#include "kernels/ops/probe.h"

namespace tessera {

// Row index[r] of `tensor` (an absent index: row r). T is the element type.
template <class T>
T* row_of(const Tensor& tensor, const Tensor& index, int64_t r) {
  const int64_t row = index.empty() ? r : index.as<int32_t>()[r];
  CHECK(row >= 0 && row < tensor.dim(0));
  return tensor.row<T>(row);
}

// Row row_mod[r] of a part of a modulation (an absent row_mod: row 0), null where there is no part.
inline const float* modulation_row(const Tensor& part, const Tensor& row_mod, int64_t r) {
  if (part.empty()) return nullptr;
  return row_of<const float>(part, row_mod, row_mod.empty() ? 0 : r);
}

// The two rows of pair k.
struct PairRows {
  const float* a;
  const float* b;
};
inline PairRows pair_rows(const RowPairs& pairs, int64_t k) {
  CHECK(pairs.a_rows.empty() || k < pairs.a_rows.dim(0));
  CHECK(pairs.b_rows.empty() || k < pairs.b_rows.dim(0));
  return {row_of<const float>(pairs.a, pairs.a_rows, k),
          row_of<const float>(pairs.b, pairs.b_rows, k)};
}

// CHECKs that an entry stays in a pool of `size` elements.
inline void check_entry(const CombineEntry& entry, int64_t size) {
  CHECK(entry.count >= 0 && entry.count <= size);
  CHECK(entry.terms >= 1 && entry.terms <= CombineEntry::kMaxTerms);
  CHECK(entry.out_offset >= 0 && entry.out_offset <= size - entry.count);
  for (int term = 0; term < entry.terms; ++term) {
    const int64_t from = entry.in_offset[term];
    CHECK(from >= 0 && from <= size - entry.count);
  }
}

}  // namespace tessera
