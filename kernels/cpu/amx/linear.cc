#include "kernels/cpu/amx/hardware_tiles.h"
#include "kernels/cpu/amx/install.h"
#include "kernels/cpu/amx/linear_op.h"
#include "kernels/cpu/install.h"

namespace tessera {

#if defined(__x86_64__)

namespace {

// Fewer rows fill too little of a tile, and reading the weights takes longer than multiplying by
// either path. Reasoned, not measured: no machine with AMX was at hand.
constexpr int64_t kFewestTileRows = 5;

Progress linear(Execution& execution, const Linear& args) {
  if (args.w.dtype != DType::kBf16 || args.x.dim(0) < kFewestTileRows || args.w.N == 0) {
    return cpu_ops(IsaLevel::kAvx512Bf16).linear(execution, args);
  }
  linear_on_tiles<HardwareTiles>(execution, args, best_finish_columns());
  return Progress::kDone;
}

}  // namespace

void install_amx(OpTable& table) { table.linear = linear; }

#else

void install_amx(OpTable&) {}

#endif

}  // namespace tessera
