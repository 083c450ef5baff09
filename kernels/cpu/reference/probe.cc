#include <array>
#include <cmath>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

// out[s][j] = sum over the pairs of segment s of what add_row(a row, b row, sums) adds to sums[j].
template <size_t kSums, class AddRow>
void sum_pairs(const RowPairs& pairs, const Tensor& out, AddRow&& add_row) {
  for (int64_t s = 0; s < out.dim(0); ++s) {
    const int32_t* segment = pairs.segments.row<int32_t>(s);
    std::array<LaneSum, kSums> total;
    for (int64_t k = 0; k < segment[1]; ++k) {
      const PairRows rows = pair_rows(pairs, segment[0] + k);
      std::array<LaneSum, kSums> of_row;
      add_row(rows.a, rows.b, of_row);
      for (size_t j = 0; j < kSums; ++j) total[j].add(k, of_row[j].total());
    }
    for (size_t j = 0; j < kSums; ++j) out.row<float>(s)[j] = total[j].total();
  }
}

}  // namespace

Progress relative_l1(Execution&, const RelativeL1& args) {
  const int64_t D = args.pairs.a.dim(1);
  sum_pairs<2>(args.pairs, args.out, [D](const float* a, const float* b, auto& sums) {
    for (int64_t d = 0; d < D; ++d) {
      sums[0].add(d, std::abs(a[d] - b[d]));
      sums[1].add(d, std::abs(b[d]));
    }
  });
  return Progress::kDone;
}

Progress dot_products(Execution&, const DotProducts& args) {
  const int64_t D = args.pairs.a.dim(1);
  sum_pairs<3>(args.pairs, args.out, [D](const float* a, const float* b, auto& sums) {
    for (int64_t d = 0; d < D; ++d) {
      sums[0].add_product(d, a[d], b[d]);
      sums[1].add_product(d, a[d], a[d]);
      sums[2].add_product(d, b[d], b[d]);
    }
  });
  return Progress::kDone;
}

}  // namespace tessera::reference
