// The measurement itself: rounds of loads on the daemon between samples of the machine's peaks, and
// what they come to. Main thread, which also takes part in the peaks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/bench/machine_peaks.h"
#include "tools/bench/roofline/model_work.h"
#include "tools/bench/roofline/text_load.h"

namespace tessera {

// One load, its runs, and the peaks sampled directly before and after each of them.
struct MeasuredLoad {
  std::string name;
  LoadShape shape;
  std::vector<LoadTimes> runs;
  double read_rate = 0;  // bytes per second
  double fma_rate = 0;   // operations per second
  double pair_rate = 0;  // 0 where there is no AVX512-BF16
  double tile_rate = 0;  // 0 where there is no AMX

  double median_of(double LoadTimes::*field) const;
  double spread_of(double LoadTimes::*field) const;  // (largest - smallest) / median
};

struct RooflineLoads {
  MeasuredLoad decode, decode_4k, batch16, prefill;
};

struct RooflineFractions {
  double decode = 0, decode_4k = 0;                            // of the read rate
  double batch16_step_ratio = 0;                               // step of 16 / step of 1
  double prefill_fma = 0, prefill_pair = 0, prefill_tile = 0;  // of the peaks; 0 without the peak
};

// One run of each load uncounted, which also fills the prefix cache, then `samples` rounds.
// `progress` is told in words what is under way.
absl::StatusOr<RooflineLoads> measure_roofline(const TextLoad& load, MachinePeaks& peaks,
                                               int samples,
                                               void (*progress)(const std::string& words));

RooflineFractions fractions_of(const RooflineLoads& loads, const ModelWork& work);

}  // namespace tessera
