#include "kernels/core/float_mode.h"

namespace tessera {
namespace {

#if defined(__x86_64__)
constexpr uint64_t kFlush = 0x8040;  // FTZ, DAZ
uint64_t read_mode() { return __builtin_ia32_stmxcsr(); }
void write_mode(uint64_t mode) { __builtin_ia32_ldmxcsr(static_cast<uint32_t>(mode)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlush = uint64_t{1} << 24;  // FZ: operands and results
uint64_t read_mode() {
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void write_mode(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

}  // namespace

FlushSubnormals::FlushSubnormals() : before_(read_mode()) { write_mode(before_ | kFlush); }
FlushSubnormals::~FlushSubnormals() { write_mode(before_); }

}  // namespace tessera
