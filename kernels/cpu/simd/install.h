// What each SIMD file adds to an op table. A file is compiled once per Highway target; cpu_ops
// calls its function while one target is chosen, so the pointers stored are of that level. A target
// without fused multiply-add (HWY_NATIVE_FMA == 0) stores nothing and the reference stays.
//
//   namespace HWY_NAMESPACE { void fill_linear(OpTable& table) { table.linear = ...; } }
//   #if HWY_ONCE
//   HWY_EXPORT(fill_linear);
//   void install_linear(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_linear)(table); }
//   #endif
#pragma once

#include "kernels/ops/table.h"

namespace tessera {

void install_activate(OpTable& table);    // simd/activate.cc
void install_attention(OpTable& table);   // simd/attention.cc
void install_conv(OpTable& table);        // simd/conv.cc
void install_gated_rows(OpTable& table);  // simd/gated_rows.cc
void install_latents(OpTable& table);     // simd/latents.cc
void install_linear(OpTable& table);      // simd/linear.cc
void install_norm(OpTable& table);        // simd/norm.cc
void install_probe(OpTable& table);       // simd/probe.cc
void install_recurrence(OpTable& table);  // simd/recurrence.cc
void install_rope(OpTable& table);        // simd/rope.cc
void install_sample(OpTable& table);      // simd/sample.cc

}  // namespace tessera
