#include <cmath>
#include <cstring>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress add_rows(Execution&, const AddRows& a) {
  for (int64_t r = 0; r < a.delta.dim(0); ++r) {
    const float* delta = a.delta.row<float>(r);
    float* residual = a.residual.row<float>(a.rows.empty() ? r : a.rows.as<int32_t>()[r]);
    const float* gate = modulation_row(a.gate, a.row_mod, r);
    for (int64_t d = 0; d < a.delta.dim(1); ++d) {
      residual[d] =
          gate == nullptr ? residual[d] + delta[d] : std::fma(gate[d], delta[d], residual[d]);
    }
  }
  return Progress::kDone;
}

Progress add_positions(Execution&, const AddPositions& a) {
  const int64_t Da = a.table_a.dim(1), Db = a.residual.dim(1) - Da;
  for (int64_t r = 0; r < a.index_a.dim(0); ++r) {
    float* residual = row_of<float>(a.residual, a.rows, r);
    const float* part_a = row_of<const float>(a.table_a, a.index_a, r);
    for (int64_t d = 0; d < Da; ++d) residual[d] += part_a[d];
    if (a.table_b.empty()) continue;
    const float* part_b = row_of<const float>(a.table_b, a.index_b, r);
    for (int64_t d = 0; d < Db; ++d) residual[Da + d] += part_b[d];
  }
  return Progress::kDone;
}

Progress gather_rows(Execution&, const GatherRows& a) {
  const int64_t size = static_cast<int64_t>(size_of(a.in.dtype));
  for (int64_t r = 0; r < a.out.dim(0); ++r) {
    const int32_t row = a.rows.as<int32_t>()[r];
    if (row < 0) continue;
    std::memcpy(a.out.as<char>() + r * a.out.stride[0] * size,
                a.in.as<char>() + row * a.in.stride[0] * size,
                static_cast<size_t>(a.out.dim(1) * size));
  }
  return Progress::kDone;
}

Progress scatter_rows(Execution&, const ScatterRows& a) {
  const int64_t size = static_cast<int64_t>(size_of(a.in.dtype));
  for (int64_t r = 0; r < a.in.dim(0); ++r) {
    const int32_t row = a.rows.as<int32_t>()[r];
    if (row < 0) continue;
    std::memcpy(a.out.as<char>() + row * a.out.stride[0] * size,
                a.in.as<char>() + r * a.in.stride[0] * size,
                static_cast<size_t>(a.in.dim(1) * size));
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
