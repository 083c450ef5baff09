#include "tools/bench/roofline/roofline.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr int kDecodeTokens = 33;  // 32 steps between the first and the last
constexpr int kBatchTokens = 41;   // streams begin some steps apart
constexpr int kPeakSamples = 5;    // each short, so that a single one says little

std::vector<double> values_of(const MeasuredLoad& load, double LoadTimes::*field) {
  std::vector<double> values;
  for (const LoadTimes& run : load.runs) values.push_back(run.*field);
  std::sort(values.begin(), values.end());
  CHECK(!values.empty());
  return values;
}

void take_peaks(PeakSamples& samples) {
  for (int sample = 0; sample < kPeakSamples; ++sample) samples.take();
}

RooflineLoads make_loads() {
  RooflineLoads loads;
  loads.decode.name = "decode, 1 stream, context 64";
  loads.decode.shape = {.streams = 1, .prompt_tokens = 64, .output_tokens = kDecodeTokens};
  loads.decode_4k.name = "decode, 1 stream, context 4096";
  loads.decode_4k.shape = {.streams = 1, .prompt_tokens = 4096, .output_tokens = kDecodeTokens};
  loads.batch16.name = "decode, 16 streams, context 64";
  loads.batch16.shape = {.streams = 16, .prompt_tokens = 64, .output_tokens = kBatchTokens};
  loads.prefill.name = "prefill, 1024 tokens";
  loads.prefill.shape = {
      .streams = 1, .prompt_tokens = 1024, .output_tokens = 1, .prefix_cache = false};
  return loads;
}

}  // namespace

double MeasuredLoad::median_of(double LoadTimes::*field) const {
  const std::vector<double> values = values_of(*this, field);
  return values[values.size() / 2];
}

double MeasuredLoad::spread_of(double LoadTimes::*field) const {
  const std::vector<double> values = values_of(*this, field);
  return (values.back() - values.front()) / values[values.size() / 2];
}

absl::StatusOr<RooflineLoads> measure_roofline(const TextLoad& load, MachinePeaks& peaks,
                                               int samples,
                                               void (*progress)(const std::string& words)) {
  RooflineLoads loads = make_loads();
  MeasuredLoad* const all[] = {&loads.decode, &loads.batch16, &loads.decode_4k, &loads.prefill};
  std::vector<PeakSamples> sampled(std::size(all), PeakSamples(peaks));
  for (int round = 0; round <= samples; ++round) {
    for (size_t index = 0; index < std::size(all); ++index) {
      MeasuredLoad& measured = *all[index];
      const std::string name =
          round == 0 ? "warm-up" : "round " + std::to_string(round) + "/" + std::to_string(samples);
      progress(name + ": " + measured.name);
      if (round > 0) take_peaks(sampled[index]);
      const absl::StatusOr<LoadTimes> times = load.run(measured.shape);
      if (!times.ok()) return times.status();
      if (round == 0) continue;
      take_peaks(sampled[index]);
      measured.runs.push_back(*times);
    }
  }
  for (size_t index = 0; index < std::size(all); ++index) {
    all[index]->read_rate = sampled[index].read_rate();
    all[index]->fma_rate = sampled[index].fma_rate();
    all[index]->pair_rate = sampled[index].pair_rate();
    all[index]->tile_rate = sampled[index].tile_rate();
  }
  return loads;
}

RooflineFractions fractions_of(const RooflineLoads& loads, const ModelWork& work) {
  const auto of_read_rate = [&work](const MeasuredLoad& load) {
    const double bytes = work.step_bytes(1, load.median_of(&LoadTimes::mean_context));
    return bytes / load.median_of(&LoadTimes::step_seconds) / load.read_rate;
  };
  RooflineFractions fractions;
  fractions.decode = of_read_rate(loads.decode);
  fractions.decode_4k = of_read_rate(loads.decode_4k);
  fractions.batch16_step_ratio = loads.batch16.median_of(&LoadTimes::step_seconds) /
                                 loads.decode.median_of(&LoadTimes::step_seconds);
  const double rate = work.prompt_flops(loads.prefill.shape.prompt_tokens) /
                      loads.prefill.median_of(&LoadTimes::first_token_seconds);
  if (loads.prefill.fma_rate > 0) fractions.prefill_fma = rate / loads.prefill.fma_rate;
  if (loads.prefill.pair_rate > 0) fractions.prefill_pair = rate / loads.prefill.pair_rate;
  if (loads.prefill.tile_rate > 0) fractions.prefill_tile = rate / loads.prefill.tile_rate;
  return fractions;
}

}  // namespace tessera
