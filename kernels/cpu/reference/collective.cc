#include <cstring>
#include <span>

#include "kernels/core/meeting.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress all_reduce(Execution&, const AllReduce& a) {
  return a.meeting->meet(a.rank, &a, [](std::span<const void* const> brought) {
    const auto data = [&](size_t rank) -> const Tensor& {
      return static_cast<const AllReduce*>(brought[rank])->data;
    };
    const int64_t D = data(0).dim(1);
    for (int64_t t = 0; t < data(0).dim(0); ++t) {
      for (int64_t d = 0; d < D; ++d) {
        float sum = data(0).row<float>(t)[d];
        for (size_t rank = 1; rank < brought.size(); ++rank) sum += data(rank).row<float>(t)[d];
        for (size_t rank = 0; rank < brought.size(); ++rank) data(rank).row<float>(t)[d] = sum;
      }
    }
  });
}

Progress all_gather(Execution&, const AllGather& a) {
  return a.meeting->meet(a.rank, &a, [](std::span<const void* const> brought) {
    for (const void* receiver : brought) {
      const Tensor& out = static_cast<const AllGather*>(receiver)->out;
      for (size_t rank = 0; rank < brought.size(); ++rank) {
        const Tensor& data = static_cast<const AllGather*>(brought[rank])->data;
        const int64_t N = data.dim(1);
        for (int64_t r = 0; r < data.dim(0); ++r) {
          std::memcpy(out.row<float>(r) + static_cast<int64_t>(rank) * N, data.row<float>(r),
                      static_cast<size_t>(N) * sizeof(float));
        }
      }
    }
  });
}

}  // namespace tessera::reference
