// What this machine can do at most, measured: the yardstick beside every speed that is reported. A
// sample takes a few milliseconds, so callers interleave samples with the runs they judge and take
// medians: a noisy neighbour then slows both. Used by the bench tools, on the thread that owns the
// pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/threads/compute_pool.h"

namespace tessera {

class MachinePeaks {
 public:
  // Allocates a buffer of 4 times the last-level cache, at least 128 MiB. REQUIRES: `pool` outlives
  // this; the machine has `isa`.
  MachinePeaks(ComputePool& pool, IsaLevel isa);

  // Bytes per second that all threads read together from the buffer, once through.
  double read_rate();
  // Floating-point operations per second of all threads in fused multiply-adds between registers,
  // at the widest vectors of `isa`; 0 for kScalar.
  double fma_rate();
  // The same in VDPBF16PS; 0 below kAvx512Bf16.
  double pair_rate();
  // The same in TDPBF16PS between tile registers; 0 below kAmx.
  double tile_rate();

 private:
  // All threads call run(rounds), which returns the operations it did.
  double rate_of(double (*run)(int64_t), int64_t rounds);

  ComputePool& pool_;
  IsaLevel isa_;
  void (*read_all_)(const uint64_t* words, size_t count) = nullptr;
  double (*run_fma_)(int64_t rounds) = nullptr;  // returns the operations done
  std::vector<uint64_t> buffer_;
};

// The rates, each the median of the samples taken so far.
class PeakSamples {
 public:
  explicit PeakSamples(MachinePeaks& peaks) : peaks_(peaks) {}
  void take();
  // REQUIRES: a sample was taken.
  double read_rate() const;
  double fma_rate() const;
  double pair_rate() const;
  double tile_rate() const;

 private:
  MachinePeaks& peaks_;
  std::vector<double> read_, fma_, pair_, tile_;
};

}  // namespace tessera
