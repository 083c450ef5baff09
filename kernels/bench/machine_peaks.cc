#include "kernels/bench/machine_peaks.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/core/check.h"
#include "kernels/cpu/amx/hardware_tiles.h"
#include "kernels/cpu/simd/chosen_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bench/machine_peaks.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::ScalableTag<float>;
using FloatVec = hn::Vec<FloatTag>;

// Keeps a value alive without storing it.
HWY_INLINE void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

}  // namespace

void read_all(const uint64_t* data, size_t count) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  for (size_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    a = hn::Xor(a, hn::Load(d, data + i));
    b = hn::Xor(b, hn::Load(d, data + i + lanes));
    c = hn::Xor(c, hn::Load(d, data + i + 2 * lanes));
    e = hn::Xor(e, hn::Load(d, data + i + 3 * lanes));
  }
  HWY_ALIGN uint64_t folded[hn::MaxLanes(d)];
  hn::Store(hn::Xor(hn::Xor(a, b), hn::Xor(c, e)), d, folded);
  keep(folded);
}

// Returns the floating-point operations done. 12 chains hide a latency of up to 6 cycles at two
// fused multiply-adds per cycle, and fit the 16 registers of AVX2.
double run_fma(int64_t rounds) {
#if HWY_NATIVE_FMA
  const FloatTag d;
  const FloatVec factor = hn::Set(d, 0.999f), term = hn::Set(d, 0.001f);
  FloatVec a = hn::Set(d, 1.0f), b = a, c = a, e = a, f = a, g = a;
  FloatVec h = hn::Set(d, 2.0f), i = h, j = h, k = h, l = h, m = h;
  for (int64_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, factor, term), b = hn::MulAdd(b, factor, term);
    c = hn::MulAdd(c, factor, term), e = hn::MulAdd(e, factor, term);
    f = hn::MulAdd(f, factor, term), g = hn::MulAdd(g, factor, term);
    h = hn::MulAdd(h, factor, term), i = hn::MulAdd(i, factor, term);
    j = hn::MulAdd(j, factor, term), k = hn::MulAdd(k, factor, term);
    l = hn::MulAdd(l, factor, term), m = hn::MulAdd(m, factor, term);
#if HWY_ARCH_X86
    // Equal chains would be computed once.
    asm volatile("" : "+x"(a.raw), "+x"(b.raw), "+x"(c.raw), "+x"(e.raw), "+x"(f.raw), "+x"(g.raw));
    asm volatile("" : "+x"(h.raw), "+x"(i.raw), "+x"(j.raw), "+x"(k.raw), "+x"(l.raw), "+x"(m.raw));
#endif
  }
  const FloatVec left = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)), hn::Add(f, g));
  const FloatVec right = hn::Add(hn::Add(hn::Add(h, i), hn::Add(j, k)), hn::Add(l, m));
  HWY_ALIGN float folded[hn::MaxLanes(d)];
  hn::Store(hn::Add(left, right), d, folded);
  keep(folded);
  return 12.0 * 2.0 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
#else
  return 0.0 * static_cast<double>(rounds);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(read_all);
HWY_EXPORT(run_fma);
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMinBufferBytes = 128 << 20;
constexpr int64_t kMaxBufferBytes = int64_t{2} << 30;
constexpr int64_t kFmaRounds = 200'000;
constexpr int64_t kPairRounds = 200'000;
constexpr int64_t kTileRounds = 20'000;
constexpr int64_t kSlicesPerThread = 8;
constexpr int64_t kLineWords = 64 / sizeof(uint64_t);

// VDPBF16PS into 12 sums: two start per cycle at best, with a latency of about 6.
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bf16")))
#endif
double
run_pairs([[maybe_unused]] int64_t rounds) {
#if defined(__x86_64__)
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a, e = a, f = a;
  __m512 g = a, h = a, i = a, j = a, k = a, l = a;
  const __m512bh ones = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3f803f80));
  for (int64_t round = 0; round < rounds; ++round) {
    a = _mm512_dpbf16_ps(a, ones, ones), b = _mm512_dpbf16_ps(b, ones, ones);
    c = _mm512_dpbf16_ps(c, ones, ones), d = _mm512_dpbf16_ps(d, ones, ones);
    e = _mm512_dpbf16_ps(e, ones, ones), f = _mm512_dpbf16_ps(f, ones, ones);
    g = _mm512_dpbf16_ps(g, ones, ones), h = _mm512_dpbf16_ps(h, ones, ones);
    i = _mm512_dpbf16_ps(i, ones, ones), j = _mm512_dpbf16_ps(j, ones, ones);
    k = _mm512_dpbf16_ps(k, ones, ones), l = _mm512_dpbf16_ps(l, ones, ones);
    // Equal chains would be computed once.
    asm volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f));
    asm volatile("" : "+v"(g), "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l));
  }
  return 12.0 * 2.0 * 32 * static_cast<double>(rounds);
#else
  return 0;
#endif
}

// TDPBF16PS into six sums: each takes 16 cycles, with a latency of about 52.
double run_tiles([[maybe_unused]] int64_t rounds) {
#if defined(__x86_64__)
  using Tiles = HardwareTiles;
  Tiles::configure();
  Tiles::zero<0>(), Tiles::zero<1>(), Tiles::zero<2>(), Tiles::zero<3>();
  Tiles::zero<4>(), Tiles::zero<5>(), Tiles::zero<6>(), Tiles::zero<7>();
  for (int64_t round = 0; round < rounds; ++round) {
    Tiles::dot<0, 6, 7>(), Tiles::dot<1, 6, 7>(), Tiles::dot<2, 6, 7>();
    Tiles::dot<3, 6, 7>(), Tiles::dot<4, 6, 7>(), Tiles::dot<5, 6, 7>();
  }
  Tiles::release();
  return 6.0 * 2.0 * 16 * 16 * 32 * static_cast<double>(rounds);
#else
  return 0;
#endif
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What the kernel says of this machine; sysconf reports the host's in virtual machines.
int64_t last_level_cache_bytes() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  int64_t kibibytes = 0;
  return file >> kibibytes ? kibibytes * 1024 : 0;
}

int64_t buffer_words() {
  return std::clamp(4 * last_level_cache_bytes(), kMinBufferBytes, kMaxBufferBytes) /
         static_cast<int64_t>(sizeof(uint64_t));
}

double median(std::vector<double> samples) {
  CHECK(!samples.empty());
  const auto middle = samples.begin() + static_cast<int64_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

}  // namespace

MachinePeaks::MachinePeaks(ComputePool& pool, IsaLevel isa)
    : pool_(pool), isa_(isa), buffer_(static_cast<size_t>(buffer_words()), 1) {
  CHECK(isa <= detect_isa());
  read_all_ = &HWY_DYNAMIC_DISPATCH(read_all);
  if (isa == IsaLevel::kScalar) return;
  const ChosenTarget chosen(isa);
  run_fma_ = &HWY_DYNAMIC_DISPATCH(run_fma);
}

double MachinePeaks::read_rate() {
  const int64_t slices = pool_.threads() * kSlicesPerThread;
  // Slices begin on cache lines, and the last line is left out so that all of them fit.
  const int64_t slice =
      (static_cast<int64_t>(buffer_.size()) - kLineWords) / slices / kLineWords * kLineWords;
  const uintptr_t address = reinterpret_cast<uintptr_t>(buffer_.data());
  const uint64_t* const first = buffer_.data() + (64 - address % 64) % 64 / sizeof(uint64_t);
  const auto begin = Clock::now();
  pool_.parallel_for(slices, [&](int64_t index, int) {
    read_all_(first + index * slice, static_cast<size_t>(slice));
  });
  return static_cast<double>(slices * slice) * sizeof(uint64_t) / seconds_since(begin);
}

double MachinePeaks::rate_of(double (*run)(int64_t), int64_t rounds) {
  const int64_t slices = pool_.threads() * kSlicesPerThread;
  std::vector<double> operations(static_cast<size_t>(slices));
  const auto begin = Clock::now();
  pool_.parallel_for(
      slices, [&](int64_t index, int) { operations[static_cast<size_t>(index)] = run(rounds); });
  const double seconds = seconds_since(begin);
  return std::accumulate(operations.begin(), operations.end(), 0.0) / seconds;
}

double MachinePeaks::fma_rate() { return run_fma_ == nullptr ? 0 : rate_of(run_fma_, kFmaRounds); }

double MachinePeaks::pair_rate() {
  return isa_ < IsaLevel::kAvx512Bf16 ? 0 : rate_of(run_pairs, kPairRounds);
}

double MachinePeaks::tile_rate() {
  return isa_ < IsaLevel::kAmx ? 0 : rate_of(run_tiles, kTileRounds);
}

void PeakSamples::take() {
  read_.push_back(peaks_.read_rate());
  fma_.push_back(peaks_.fma_rate());
  pair_.push_back(peaks_.pair_rate());
  tile_.push_back(peaks_.tile_rate());
}

double PeakSamples::read_rate() const { return median(read_); }
double PeakSamples::fma_rate() const { return median(fma_); }
double PeakSamples::pair_rate() const { return median(pair_); }
double PeakSamples::tile_rate() const { return median(tile_); }

}  // namespace tessera
#endif
