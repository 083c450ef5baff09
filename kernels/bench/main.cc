// kernel_bench: speed of the CPU kernels beside what the machine can do. For every case it prints
// the median time of one run, the bytes and operations per second, and their fractions of the peaks
// that were sampled between the same runs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "kernels/bench/bench_case.h"
#include "kernels/bench/machine_peaks.h"
#include "kernels/core/float_mode.h"
#include "kernels/cpu/install.h"

namespace tessera {
namespace {

struct Options {
  std::string isa = "auto";
  int threads = 0;
  int samples = 9;
  std::string filter;  // only cases whose "op shape" contains it
};

constexpr const char* kUsage =
    "kernel_bench [--isa auto|scalar|avx2|avx512|avx512_bf16|amx] [--threads N] [--samples N]\n"
    "             [--filter TEXT]\n";

// One sample lasts at least this long, so that the clock and a claim's cost do not count.
constexpr double kSampleSeconds = 0.01;

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--isa") {
      options.isa = argv[i + 1];
    } else if (name == "--threads") {
      options.threads = std::atoi(argv[i + 1]);
    } else if (name == "--samples") {
      options.samples = std::max(1, std::atoi(argv[i + 1]));
    } else if (name == "--filter") {
      options.filter = argv[i + 1];
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

double seconds_of(const std::function<void()>& run, int times) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) run();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return elapsed.count() / times;
}

// Peaks are sampled before and after every run; returns the median seconds of one run.
double measure(const std::function<void()>& run, int samples, PeakSamples& peaks) {
  const double once = seconds_of(run, 1);
  const int times = std::max(1, static_cast<int>(kSampleSeconds / once));
  std::vector<double> seconds;
  for (int sample = 0; sample < samples; ++sample) {
    peaks.take();
    seconds.push_back(seconds_of(run, times));
  }
  peaks.take();
  const auto middle = seconds.begin() + static_cast<int64_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

void run_case(const BenchCase& c, IsaLevel isa, ComputePool& pool, MachinePeaks& peaks,
              int samples) {
  Execution execution(pool, isa);
  const std::function<void()> run = c.prepare(cpu_ops(isa), execution);
  PeakSamples sampled(peaks);
  const double seconds = measure(run, samples, sampled);
  const double read = c.bytes / seconds, compute = c.flops / seconds;
  const double peak = std::max({sampled.fma_rate(), sampled.pair_rate(), sampled.tile_rate()});
  std::printf("%-10s %-54s %11.1f %7.1f %5.0f%% %8.1f %5.0f%%   %6.1f %8.1f\n", c.op.c_str(),
              c.shape.c_str(), seconds * 1e6, read / 1e9, 100 * read / sampled.read_rate(),
              compute / 1e9, 100 * compute / peak, sampled.read_rate() / 1e9, peak / 1e9);
  std::fflush(stdout);
}

int run(const Options& options) {
  const absl::StatusOr<IsaLevel> isa = limit_isa(options.isa);
  if (!isa.ok()) {
    std::fprintf(stderr, "%s\n", std::string(isa.status().message()).c_str());
    return 1;
  }
  const FlushSubnormals flush;
  ComputePool pool(options.threads);
  MachinePeaks peaks(pool, *isa);
  std::vector<BenchCase> cases;
  for (const ModelShape& model : {kQwen05B, kLlama3B}) {
    for (auto& c : linear_cases(model, {1, 2, 4, 8, 16, 32, 64, 512})) cases.push_back(c);
    for (auto& c : attention_cases(model)) cases.push_back(c);
  }
  for (auto& c : step_cases(kQwen05B, {1, 2, 4, 8, 16, 32})) cases.push_back(c);
  for (const ModelShape& model : {kSmallDit, kDitXl}) {
    for (const int64_t rows : {256, 512, 1024}) {
      for (auto& c : block_products(model, rows)) cases.push_back(c);
      for (auto& c : block_rows(model, rows)) cases.push_back(c);
    }
    for (auto& c : picture_attention_cases(model)) cases.push_back(c);
  }
  for (auto& c : decoder_cases()) cases.push_back(c);
  std::printf("isa %s, threads %d. Peaks are medians sampled between the runs of each case.\n",
              std::string(name_of(*isa)).c_str(), pool.threads());
  std::printf("%-10s %-54s %11s %7s %6s %8s %6s   %6s %8s\n", "op", "shape", "us", "GB/s", "of",
              "GFLOP/s", "of", "GB/s", "GFLOP/s");
  for (const BenchCase& c : cases) {
    if ((c.op + " " + c.shape).find(options.filter) == std::string::npos) continue;
    run_case(c, *isa, pool, peaks, options.samples);
  }
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::Options options;
  if (!tessera::parse(argc, argv, options)) {
    std::fputs(tessera::kUsage, stderr);
    return 2;
  }
  return tessera::run(options);
}
