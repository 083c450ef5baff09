// What VDPBF16PS does better than f32 fused multiply-adds. Called by cpu_ops for the levels from
// kAvx512Bf16, after the SIMD files and before the tiles.
//
// VDPBF16PS adds a pair of bf16 products to an f32: the upper one first, then the lower one, each a
// fused multiply-add rounded to nearest, subnormals as zero (Intel SDM, "VDPBF16PS"). On pairs as
// they stand in memory (k, k + 1) that would be one chain over all k, which is not the dot of
// kernels/ops/linear.h. On (k + 2, k) and (k + 3, k + 1) it is two steps of its even and of its odd
// chain: the same bits in half the instructions.
#pragma once

#include "kernels/ops/table.h"

namespace tessera {

// Leaves the table alone where pair_is_two_steps() does not hold.
void install_avx512_bf16(OpTable& table);

// Whether this machine, asked once, gave the bits of two fused multiply-adds in 4,096 sums. False
// below kAvx512Bf16. Found true on AMD Zen 5; not tried on other CPUs.
bool pair_is_two_steps();

}  // namespace tessera
