// The op tables of the CPU backend. Tables are built on first use, live for the process and may be
// used by any thread.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/ops/table.h"

namespace tessera {

// Scalar code that defines what each op computes, bit for bit.
const OpTable& reference_ops();

// The fastest code that the level allows, with the same bits. REQUIRES: the machine has the level.
const OpTable& cpu_ops(IsaLevel level);

}  // namespace tessera
