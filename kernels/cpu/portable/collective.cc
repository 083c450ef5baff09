#include <algorithm>
#include <cstring>
#include <span>

#include "kernels/core/meeting.h"
#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/portable/row_tasks.h"

namespace tessera::portable {

Progress all_reduce(Execution& execution, const AllReduce& a) {
  return a.meeting->meet(a.rank, &a, [&](std::span<const void* const> brought) {
    const auto data = [&](size_t rank) -> const Tensor& {
      return static_cast<const AllReduce*>(brought[rank])->data;
    };
    const int64_t D = data(0).dim(1);
    const int64_t row_bytes = 8 * D * static_cast<int64_t>(brought.size());
    for_each_row(execution, data(0).dim(0), row_bytes, [&](int64_t t, int) {
      // The sum grows in rank 0's row and is then copied to the others.
      float* __restrict sum = data(0).row<float>(t);
      for (size_t rank = 1; rank < brought.size(); ++rank) {
        const float* __restrict part = data(rank).row<float>(t);
        for (int64_t d = 0; d < D; ++d) sum[d] += part[d];
      }
      for (size_t rank = 1; rank < brought.size(); ++rank) {
        std::memcpy(data(rank).row<float>(t), sum, static_cast<size_t>(D) * sizeof(float));
      }
    });
  });
}

Progress all_gather(Execution& execution, const AllGather& a) {
  return a.meeting->meet(a.rank, &a, [&](std::span<const void* const> brought) {
    const auto one = [&](size_t rank) { return static_cast<const AllGather*>(brought[rank]); };
    const int64_t N = a.data.dim(1), ranks = a.meeting->ranks();
    for_each_row(execution, a.data.dim(0), 8 * N * ranks * ranks, [&](int64_t r, int) {
      for (size_t receiver = 0; receiver < brought.size(); ++receiver) {
        for (size_t rank = 0; rank < brought.size(); ++rank) {
          std::memcpy(one(receiver)->out.row<float>(r) + static_cast<int64_t>(rank) * N,
                      one(rank)->data.row<float>(r), static_cast<size_t>(N) * sizeof(float));
        }
      }
    });
  });
}

}  // namespace tessera::portable
