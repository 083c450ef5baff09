// The instruction-set levels the CPU backend has code for, and which of them this machine runs.
// Every level gives the same bits; a level is forced only to test it or to compare speeds. Any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace tessera {

// kAvx2 needs AVX2 with FMA, kAvx512 needs F, BW, CD, DQ and VL, kAvx512Bf16 needs AVX512-BF16
// besides and kAmx AMX-BF16.
enum class IsaLevel : uint8_t { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };
inline constexpr std::array kIsaLevels = {IsaLevel::kScalar, IsaLevel::kAvx2, IsaLevel::kAvx512,
                                          IsaLevel::kAvx512Bf16, IsaLevel::kAmx};

std::string_view name_of(IsaLevel level);  // "scalar", "avx2", "avx512", "avx512_bf16", "amx"

// The best level of this machine, or the lesser one that the environment names in TESSERA_ISA. The
// first call asks the kernel for the permission to use AMX tiles, which threads inherit: call it
// before any compute thread starts.
IsaLevel detect_isa();

// The level that `option` asks for: "auto" (what the machine has) or a name. INVALID_ARGUMENT for
// an unknown name, FAILED_PRECONDITION if the machine lacks it.
absl::StatusOr<IsaLevel> limit_isa(std::string_view option);

}  // namespace tessera
