// Element-wise non-linearities between two products, from f32 sums to what the next product takes.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// e is the exponential of kernels/cpu/reference/math.h.
enum class Activation : uint8_t {
  kSilu,       // x / (1 + e^-x)
  kGelu,       // x Phi(x), Phi the normal distribution (exact, "erf")
  kGeluTanh,   // x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3): x (1 + tanh u) / 2
  kQuickGelu,  // x / (1 + e^-1.702x)
  kMish,       // x tanh(log(1 + e^x))
};

// out = f(in). `out` may be `in` itself (f32, the same rows).
struct Activate {
  Tensor in;  // in   [M, F]  f32
  Activation kind;
  Tensor out;  // out  [M, F]  bf16 | f32
};
void activate(Stream&, const Activate&);

}  // namespace tessera
