// The vector exponentials give the bits of the scalar one, on every target of this machine.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/core/float_mode.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/simd/chosen_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd_math_test.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {

// out[i] = exp of in[i]; `down` takes the path for x <= 0. count is a multiple of 16.
void exp_all([[maybe_unused]] const float* in, [[maybe_unused]] float* out,
             [[maybe_unused]] size_t count, [[maybe_unused]] bool down) {
#if HWY_NATIVE_FMA
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(d, in + i);
    hn::StoreU(down ? exp_down_vector(d, x) : exp_vector(d, x), d, out + i);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(exp_all);
namespace {

constexpr size_t kBatch = 4096;

void expect_same_bits(const std::vector<float>& in, bool down) {
  std::vector<float> out(in.size());
  HWY_DYNAMIC_DISPATCH(exp_all)(in.data(), out.data(), in.size(), down);
  for (size_t i = 0; i < in.size(); ++i) {
    const float wanted = exp_f32(in[i]);
    if (wanted != wanted) {
      ASSERT_NE(out[i], out[i]) << in[i];
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(wanted)) << in[i];
    }
  }
}

// Bit patterns from `first` to `last` in steps.
void sweep(uint32_t first, uint32_t last, uint32_t step, bool down) {
  std::vector<float> in;
  for (uint64_t bits = first; bits <= last; bits += step) {
    in.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    if (in.size() == kBatch) {
      expect_same_bits(in, down);
      in.clear();
    }
  }
  in.resize((in.size() + 15) / 16 * 16, -1.0f);
  expect_same_bits(in, down);
}

void sweep_all_targets(uint32_t first, uint32_t last, uint32_t step, bool down) {
  const FlushSubnormals flush;
  for (const IsaLevel level : {IsaLevel::kAvx2, IsaLevel::kAvx512}) {
    if (level > detect_isa()) continue;
    const ChosenTarget chosen(level);
    sweep(first, last, step, down);
  }
}

constexpr uint32_t kStep = 9973;
constexpr uint32_t kLowest = 0xc2aeac4f;   // -0x1.5d589ep+6
constexpr uint32_t kHighest = 0x42b17217;  // 0x1.62e42ep+6

TEST(SimdMath, ExpOfEveryKindOfFloat) { sweep_all_targets(0, 0xffffffff, kStep, false); }

TEST(SimdMath, ExpAtItsLimits) {
  ASSERT_EQ(std::bit_cast<float>(kLowest), -0x1.5d589ep+6f);
  ASSERT_EQ(std::bit_cast<float>(kHighest), 0x1.62e42ep+6f);
  sweep_all_targets(kLowest - 30000, kLowest + 30000, 1, false);
  sweep_all_targets(kHighest - 30000, kHighest + 30000, 1, false);
}

TEST(SimdMath, ExpDownIsExpBelowZero) {
  sweep_all_targets(0x80000000, 0xff800000, kStep, true);
  sweep_all_targets(0, 0, 1, true);
  sweep_all_targets(kLowest - 30000, kLowest + 30000, 1, true);
}

}  // namespace
}  // namespace tessera
#endif
