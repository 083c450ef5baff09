// The ops of this level, on the lane's thread. REQUIRES: pair_is_two_steps().
#pragma once

#include "kernels/ops/table.h"

namespace tessera::avx512_bf16 {

Progress attention(Execution& execution, const Attention& args);
Progress linear(Execution& execution, const Linear& args);

}  // namespace tessera::avx512_bf16
