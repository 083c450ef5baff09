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
// Rows per register block on most levels: row blocks are multiples of it where M allows.
constexpr int64_t kRowStep = 6;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

LinearBlocking choose_linear_blocking(int64_t M, int64_t panels, int64_t row_bytes,
                                      int64_t panel_bytes, int threads) {
  LinearBlocking b;
  const int64_t most_rows =
      std::clamp(kBlockBytes / row_bytes, kMinRowsPerBlock, LinearBlocking::kMaxRowsPerBlock);
  b.row_blocks = ceil_div(M, most_rows);
  b.rows_per_block = std::min(most_rows, ceil_div(ceil_div(M, b.row_blocks), kRowStep) * kRowStep);
  b.row_blocks = ceil_div(M, b.rows_per_block);

  const int64_t wanted = threads == 1 ? 1 : threads * kTasksPerThread;
  const int64_t most_ranges = std::max<int64_t>(1, panels * panel_bytes / kMinTaskBytes);
  const int64_t ranges = std::min(ceil_div(wanted, b.row_blocks), most_ranges);
  const int64_t pairs = ceil_div(ceil_div(panels, 2), ranges);
  b.panels_per_task = std::min(panels, 2 * pairs);
  b.panel_ranges = ceil_div(panels, b.panels_per_task);
  return b;
}

}  // namespace tessera
