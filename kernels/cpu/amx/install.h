// What tile registers do better than AVX-512. Called by cpu_ops for level kAmx, after the SIMD
// files.
#pragma once

#include "kernels/ops/table.h"

namespace tessera {

void install_amx(OpTable& table);

}  // namespace tessera
