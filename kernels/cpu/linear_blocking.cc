#include "kernels/cpu/linear_blocking.h"

#include <algorithm>

namespace tessera {
namespace {

// Half of the smallest L2 cache (1 MiB) of the machines with AVX-512; panels stream through the
// rest.
constexpr int64_t kBlockBytes = 512 * 1024;
// Fewer rows would reload each panel too often to stay bound by arithmetic.
constexpr int64_t kMinRowsPerBlock = 48;
// Enough tasks that a thread that was descheduled holds up the others by no more than a quarter.
constexpr int64_t kTasksPerThread = 4;
// Below this a claim (about 100 ns) and a cold prefetcher cost more than they even out.
constexpr int64_t kMinTaskBytes = 64 * 1024;
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

LinearBlocking choose_linear_blocking(const LinearWork& work, int threads) {
  LinearBlocking b;
  const int64_t most_rows =
      std::clamp(kBlockBytes / work.row_bytes, kMinRowsPerBlock, LinearBlocking::kMaxRowsPerBlock) /
      work.row_step * work.row_step;
  b.row_blocks = ceil_div(work.M, most_rows);
  b.rows_per_block =
      std::min(most_rows, ceil_div(ceil_div(work.M, b.row_blocks), work.row_step) * work.row_step);
  b.row_blocks = ceil_div(work.M, b.rows_per_block);

  const int64_t wanted = threads == 1 ? 1 : threads * kTasksPerThread;
  const int64_t most_ranges = std::max<int64_t>(1, work.panels * work.panel_bytes / kMinTaskBytes);
  const int64_t ranges = std::min(ceil_div(wanted, b.row_blocks), most_ranges);
  const int64_t steps = ceil_div(ceil_div(work.panels, work.panel_step), ranges);
  b.panels_per_task = std::min(work.panels, work.panel_step * steps);
  b.panel_ranges = ceil_div(work.panels, b.panels_per_task);
  return b;
}

}  // namespace tessera
