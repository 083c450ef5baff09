// Floating-point mode of the calling thread. Every thread that computes flushes subnormals, as
// TDPBF16PS does and as every level must to give its bits.
#pragma once

#include <cstdint>

namespace tessera {

// From construction to destruction, subnormal results are zero and subnormal operands count as
// zero.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  uint64_t before_;
};

}  // namespace tessera
