#include <cstring>

#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/portable/row_tasks.h"

namespace tessera::portable {

Progress gather_rows(Execution& execution, const GatherRows& a) {
  const int64_t size = static_cast<int64_t>(size_of(a.in.dtype));
  const int64_t row_bytes = a.out.dim(1) * size;
  for_each_row(execution, a.out.dim(0), 2 * row_bytes, [&](int64_t r, int) {
    const int32_t row = a.rows.as<int32_t>()[r];
    if (row < 0) return;
    std::memcpy(a.out.as<char>() + r * a.out.stride[0] * size,
                a.in.as<char>() + row * a.in.stride[0] * size, static_cast<size_t>(row_bytes));
  });
  return Progress::kDone;
}

Progress scatter_rows(Execution& execution, const ScatterRows& a) {
  const int64_t size = static_cast<int64_t>(size_of(a.in.dtype));
  const int64_t row_bytes = a.in.dim(1) * size;
  for_each_row(execution, a.in.dim(0), 2 * row_bytes, [&](int64_t r, int) {
    const int32_t row = a.rows.as<int32_t>()[r];
    if (row < 0) return;
    std::memcpy(a.out.as<char>() + row * a.out.stride[0] * size,
                a.in.as<char>() + r * a.in.stride[0] * size, static_cast<size_t>(row_bytes));
  });
  return Progress::kDone;
}

}  // namespace tessera::portable
