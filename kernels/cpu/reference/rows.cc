#include <cstring>

#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress add_rows(Execution&, const AddRows& a) {
  for (int64_t r = 0; r < a.delta.dim(0); ++r) {
    const float* delta = a.delta.row<float>(r);
    float* residual = a.residual.row<float>(a.rows.empty() ? r : a.rows.as<int32_t>()[r]);
    for (int64_t d = 0; d < a.delta.dim(1); ++d) residual[d] += delta[d];
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
