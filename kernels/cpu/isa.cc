#include "kernels/cpu/isa.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "hwy/targets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tessera {
namespace {

constexpr std::array<std::string_view, kIsaLevels.size()> kNames = {"scalar", "avx2", "avx512",
                                                                    "avx512_bf16", "amx"};

#if defined(__x86_64__)
bool has_avx512_bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvx512Bf16) != 0;
}

bool permitted_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22;
  constexpr unsigned kAmxTile = 1u << 24;
  if ((edx & kAmxBf16) == 0 || (edx & kAmxTile) == 0) return false;
  // Linux keeps the 8 KiB of tile data out of a thread's state until the process asks for it.
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
bool permitted_amx() { return false; }
bool has_avx512_bf16() { return false; }
#endif

IsaLevel machine_level() {
  const int64_t targets = hwy::SupportedTargets();
  if (targets & HWY_AVX3) {
    if (permitted_amx()) return IsaLevel::kAmx;
    return has_avx512_bf16() ? IsaLevel::kAvx512Bf16 : IsaLevel::kAvx512;
  }
  if (targets & HWY_AVX2) return IsaLevel::kAvx2;
  return IsaLevel::kScalar;
}

// TESSERA_ISA stands for a lesser machine: whole test runs on, say, AVX2 alone.
IsaLevel probe() {
  const IsaLevel level = machine_level();
  const char* wanted = std::getenv("TESSERA_ISA");
  if (wanted == nullptr) return level;
  for (size_t index = 0; index < kNames.size(); ++index) {
    if (kNames[index] == wanted) return std::min(level, static_cast<IsaLevel>(index));
  }
  return level;
}

}  // namespace

std::string_view name_of(IsaLevel level) { return kNames[static_cast<size_t>(level)]; }

IsaLevel detect_isa() {
  static const IsaLevel level = probe();
  return level;
}

absl::StatusOr<IsaLevel> limit_isa(std::string_view option) {
  const IsaLevel best = detect_isa();
  if (option == "auto") return best;
  for (size_t index = 0; index < kNames.size(); ++index) {
    if (kNames[index] != option) continue;
    const IsaLevel level = static_cast<IsaLevel>(index);
    if (level <= best) return level;
    return absl::FailedPreconditionError("isa " + std::string(option) +
                                         ": this machine offers no more than " +
                                         std::string(name_of(best)));
  }
  return absl::InvalidArgumentError("isa \"" + std::string(option) +
                                    "\" is none of auto, scalar, avx2, avx512, avx512_bf16, amx");
}

}  // namespace tessera
