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
// A task below both costs more for its claim and a cold prefetcher than it evens out: bytes count
// where few rows wait for memory, multiply-adds (2 us at 80 G/s) where many rows share each panel.
constexpr int64_t kMinTaskBytes = 64 * 1024;
constexpr int64_t kMinTaskProducts = 160 * 1024;
// Weights that stay in L2 are read again by another block of rows at no cost to speak of.
constexpr int64_t kSmallWeights = 512 * 1024;
constexpr int64_t kFewRowsPerBlock = 24;

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

  const int64_t bytes = work.panels * work.panel_bytes;
  const int64_t products = work.M * work.panels * work.panel_products;
  const int64_t most_tasks =
      std::max({int64_t{1}, bytes / kMinTaskBytes, products / kMinTaskProducts});
  const int64_t wanted = threads == 1 ? 1 : std::min(threads * kTasksPerThread, most_tasks);
  const int64_t most_ranges = ceil_div(work.panels, work.panel_step);
  if (b.row_blocks * most_ranges < wanted && bytes <= kSmallWeights) {
    const int64_t blocks =
        std::min(ceil_div(wanted, most_ranges), ceil_div(work.M, kFewRowsPerBlock));
    b.rows_per_block = std::min(b.rows_per_block,
                                ceil_div(ceil_div(work.M, blocks), work.row_step) * work.row_step);
    b.row_blocks = ceil_div(work.M, b.rows_per_block);
  }
  const int64_t ranges = std::min(ceil_div(wanted, b.row_blocks), most_ranges);
  const int64_t steps = ceil_div(most_ranges, ranges);
  b.panels_per_task = std::min(work.panels, work.panel_step * steps);
  b.panel_ranges = ceil_div(work.panels, b.panels_per_task);
  b.by_rows = bytes <= kSmallWeights;
  return b;
}

}  // namespace tessera
