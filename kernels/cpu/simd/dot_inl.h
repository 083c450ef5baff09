// The bf16 dot of kernels/ops/linear.h in registers, once per Highway target: R rows of x against P
// panels of 16 columns. Shared by linear and attention; compute threads call it, in
// FlushSubnormals.
//
// Per block of 32 k every (row, column vector) has an even and an odd chain. Where the register
// file holds both (R x C <= 12 vectors on AVX-512), one pass over the block unpacks each weight
// once for both; elsewhere the even chains of the block are finished and laid by, then the odd ones
// run, so that 12 chains still hide the latency of a fused multiply-add with 16 registers.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_DOT_INL_H_
#undef TESSERA_CPU_SIMD_DOT_INL_H_
#else
#define TESSERA_CPU_SIMD_DOT_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/ops/packed_weight.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, kPanelColumns>;
using BitsTag = hn::RebindToUnsigned<FloatTag>;
using FloatVec = hn::Vec<FloatTag>;
using BitsVec = hn::Vec<BitsTag>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
constexpr int kPanelVectors = kPanelColumns / kLanes;
constexpr int kRegisters = kLanes == 8 ? 16 : 32;
// Rows of one register block. Six rows of two AVX-512 vectors, or of one panel elsewhere, are 12
// pairs of chains: fused multiply-adds take 4 cycles and two start per cycle.
constexpr int kBlockRows = 6;
constexpr int kBlockPanels = kLanes == 16 ? 2 : 1;

// The two bf16 of each 32-bit pair, widened.
HWY_INLINE FloatVec even_of(BitsVec pair) {
  return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(pair));
}
HWY_INLINE FloatVec odd_of(BitsVec pair) {
  return hn::BitCast(FloatTag(), hn::And(pair, hn::Set(BitsTag(), 0xffff0000u)));
}

// One f32 chain of one parity over the block's pairs. x: [R][32] f32; at(pair, panel) is where the
// 16 pairs of that panel stand.
template <int kOdd, int R, int P, class At>
HWY_INLINE void run_chains(const float* HWY_RESTRICT x, const At& at, int pairs,
                           FloatVec (&chain)[R][P * kPanelVectors]) {
  constexpr int C = P * kPanelVectors;
  for (int row = 0; row < R; ++row) {
    for (int c = 0; c < C; ++c) chain[row][c] = hn::Zero(FloatTag());
  }
  for (int pair = 0; pair < pairs; ++pair) {
    FloatVec w[C];
    for (int c = 0; c < C; ++c) {
      const BitsVec raw =
          hn::LoadU(BitsTag(), at(pair, c / kPanelVectors) + (c % kPanelVectors) * kLanes);
      w[c] = kOdd ? odd_of(raw) : even_of(raw);
    }
    for (int row = 0; row < R; ++row) {
      const FloatVec value = hn::Set(FloatTag(), x[row * kPanelDepth + 2 * pair + kOdd]);
      for (int c = 0; c < C; ++c) chain[row][c] = hn::MulAdd(value, w[c], chain[row][c]);
    }
  }
}

// Both parities in one pass.
template <int R, int P, class At>
HWY_INLINE void run_chain_pairs(const float* HWY_RESTRICT x, const At& at, int pairs,
                                FloatVec (&even)[R][P * kPanelVectors],
                                FloatVec (&odd)[R][P * kPanelVectors]) {
  constexpr int C = P * kPanelVectors;
  for (int row = 0; row < R; ++row) {
    for (int c = 0; c < C; ++c) even[row][c] = odd[row][c] = hn::Zero(FloatTag());
  }
  for (int pair = 0; pair < pairs; ++pair) {
    FloatVec w_even[C], w_odd[C];
    for (int c = 0; c < C; ++c) {
      const BitsVec raw =
          hn::LoadU(BitsTag(), at(pair, c / kPanelVectors) + (c % kPanelVectors) * kLanes);
      w_even[c] = even_of(raw);
      w_odd[c] = odd_of(raw);
    }
    for (int row = 0; row < R; ++row) {
      const FloatVec x_even = hn::Set(FloatTag(), x[row * kPanelDepth + 2 * pair]);
      const FloatVec x_odd = hn::Set(FloatTag(), x[row * kPanelDepth + 2 * pair + 1]);
      for (int c = 0; c < C; ++c) {
        even[row][c] = hn::MulAdd(x_even, w_even[c], even[row][c]);
        odd[row][c] = hn::MulAdd(x_odd, w_odd[c], odd[row][c]);
      }
    }
  }
}

// acc[row][c] += the block's even chain + odd chain. x: [R][32] f32; acc: R rows of P * 16 f32,
// `acc_stride` apart. `pairs` <= 16; a shorter block is one whose rest is zero.
template <int R, int P, class At>
HWY_INLINE void add_block(const float* HWY_RESTRICT x, const At& at, int pairs,
                          float* HWY_RESTRICT acc, int64_t acc_stride) {
  constexpr int C = P * kPanelVectors;
  const FloatTag d;
  FloatVec odd[R][C];
  if constexpr (2 * R * C + 2 * C + 2 <= kRegisters) {
    FloatVec even[R][C];
    run_chain_pairs<R, P>(x, at, pairs, even, odd);
    for (int row = 0; row < R; ++row) {
      for (int c = 0; c < C; ++c) {
        float* const sum = acc + row * acc_stride + c * kLanes;
        hn::StoreU(hn::Add(hn::LoadU(d, sum), hn::Add(even[row][c], odd[row][c])), d, sum);
      }
    }
  } else {
    HWY_ALIGN float laid_by[R * C * kLanes];
    {
      FloatVec even[R][C];
      run_chains<0, R, P>(x, at, pairs, even);
      for (int row = 0; row < R; ++row) {
        for (int c = 0; c < C; ++c) hn::Store(even[row][c], d, laid_by + (row * C + c) * kLanes);
      }
    }
    run_chains<1, R, P>(x, at, pairs, odd);
    for (int row = 0; row < R; ++row) {
      for (int c = 0; c < C; ++c) {
        float* const sum = acc + row * acc_stride + c * kLanes;
        const FloatVec even = hn::Load(d, laid_by + (row * C + c) * kLanes);
        hn::StoreU(hn::Add(hn::LoadU(d, sum), hn::Add(even, odd[row][c])), d, sum);
      }
    }
  }
}

// The f32 dot: acc[row][c] is continued by one chain of fused multiply-adds in ascending k. x: R
// rows of f32, `x_stride` apart; at(k, panel) is where the 16 columns of that panel stand.
template <int R, int P, class At>
HWY_INLINE void add_chain(const float* HWY_RESTRICT x, int64_t x_stride, const At& at,
                          int64_t depth, float* HWY_RESTRICT acc, int64_t acc_stride) {
  constexpr int C = P * kPanelVectors;
  const FloatTag d;
  FloatVec chain[R][C];
  for (int row = 0; row < R; ++row) {
    for (int c = 0; c < C; ++c) chain[row][c] = hn::LoadU(d, acc + row * acc_stride + c * kLanes);
  }
  for (int64_t k = 0; k < depth; ++k) {
    FloatVec w[C];
    for (int c = 0; c < C; ++c) {
      w[c] = hn::LoadU(d, at(k, c / kPanelVectors) + (c % kPanelVectors) * kLanes);
    }
    for (int row = 0; row < R; ++row) {
      const FloatVec value = hn::Set(d, x[row * x_stride + k]);
      for (int c = 0; c < C; ++c) chain[row][c] = hn::MulAdd(value, w[c], chain[row][c]);
    }
  }
  for (int row = 0; row < R; ++row) {
    for (int c = 0; c < C; ++c) hn::StoreU(chain[row][c], d, acc + row * acc_stride + c * kLanes);
  }
}

// bf16 bits of f32, rounded to nearest even; a NaN stays one.
HWY_INLINE BitsVec round_to_bf16(FloatVec value) {
  const BitsTag d;
  const BitsVec bits = hn::BitCast(d, value);
  const BitsVec lowest_kept = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  const BitsVec rounded =
      hn::ShiftRight<16>(hn::Add(bits, hn::Add(hn::Set(d, 0x7fffu), lowest_kept)));
  const BitsVec quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(d, 0x40u));
  return hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(value)), quiet, rounded);
}

// Stores kLanes bf16 at `out`.
HWY_INLINE void store_bf16(BitsVec bits, uint16_t* HWY_RESTRICT out) {
  const hn::Rebind<uint16_t, FloatTag> d16;
  hn::StoreU(hn::TruncateTo(d16, bits), d16, out);
}

// Widens kLanes bf16 at `in`.
HWY_INLINE FloatVec load_bf16(const uint16_t* HWY_RESTRICT in) {
  const hn::Rebind<uint16_t, FloatTag> d16;
  return even_of(hn::PromoteTo(BitsTag(), hn::LoadU(d16, in)));
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
