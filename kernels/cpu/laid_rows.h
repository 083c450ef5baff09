// The rows of x of a matrix product as its kernels read them: converted once before the tasks begin
// where they are many, else by every thread for itself when it first meets a block of rows, which
// costs less than waiting for each other. On the lane's thread; `of` on compute threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/execution.h"

namespace tessera {

// lay_out(block, out) converts one block of rows.
template <class LayOut>
class LaidRows {
 public:
  // `blocks` blocks of at most `block_bytes` each as laid out.
  LaidRows(Execution& execution, int64_t blocks, int64_t block_bytes, LayOut lay_out)
      : execution_(execution),
        block_bytes_(block_bytes),
        bytes_(static_cast<size_t>(blocks * block_bytes)),
        each_thread_(blocks <= kBlocksMost && execution.pool().threads() <= kThreadsMost &&
                     blocks * block_bytes <= kBytesMost),
        lay_out_(lay_out) {
    if (each_thread_) return;
    // All threads read them; they stand in the scratch of thread 0, which no task uses.
    std::byte* const shared = execution.scratch(0, bytes_).data();
    shared_ = shared;
    execution.pool().parallel_for(
        blocks, [&](int64_t block, int) { lay_out(block, shared + block * block_bytes); });
  }

  const std::byte* of(int64_t block, int thread) {
    if (!each_thread_) return shared_ + block * block_bytes_;
    std::byte* const rows = execution_.scratch(thread, bytes_).data() + block * block_bytes_;
    uint64_t& laid = laid_[static_cast<size_t>(thread)].blocks;
    const uint64_t bit = uint64_t{1} << block;
    if ((laid & bit) == 0) lay_out_(block, rows);
    laid |= bit;
    return rows;
  }

 private:
  static constexpr int64_t kBlocksMost = 64, kBytesMost = 64 * 1024;
  static constexpr int kThreadsMost = 16;

  struct alignas(64) Laid {
    uint64_t blocks = 0;
  };

  Execution& execution_;
  const int64_t block_bytes_;
  const size_t bytes_;
  const bool each_thread_;
  const LayOut lay_out_;
  const std::byte* shared_ = nullptr;
  std::array<Laid, kThreadsMost> laid_;
};

}  // namespace tessera
