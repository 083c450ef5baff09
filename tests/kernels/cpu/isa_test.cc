#include "kernels/cpu/isa.h"

#include <gtest/gtest.h>

#include "kernels/cpu/avx512_bf16/install.h"
#include "kernels/cpu/install.h"
#include "kernels/cpu/threads/usable_cpus.h"

namespace tessera {
namespace {

TEST(Isa, AutoIsWhatTheMachineHas) {
  EXPECT_EQ(limit_isa("auto").value(), detect_isa());
  EXPECT_EQ(limit_isa("scalar").value(), IsaLevel::kScalar);
}

TEST(Isa, EveryNameIsKnownAndOnlyLackingLevelsAreRefused) {
  for (const IsaLevel level : kIsaLevels) {
    const absl::StatusOr<IsaLevel> limited = limit_isa(name_of(level));
    if (level <= detect_isa()) {
      EXPECT_EQ(limited.value(), level);
    } else {
      EXPECT_EQ(limited.status().code(), absl::StatusCode::kFailedPrecondition);
    }
  }
  EXPECT_EQ(limit_isa("sse9").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(limit_isa("").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Isa, PairsAreUsedExactlyWhereTheyAreTwoSteps) {
  if (detect_isa() < IsaLevel::kAvx512Bf16) {
    EXPECT_FALSE(pair_is_two_steps());
    return;
  }
  EXPECT_EQ(cpu_ops(IsaLevel::kAvx512Bf16).linear != cpu_ops(IsaLevel::kAvx512).linear,
            pair_is_two_steps());
}

TEST(UsableCpus, ReadsCpuMax) {
  EXPECT_EQ(parse_cpu_max("max 100000"), 0);
  EXPECT_EQ(parse_cpu_max("200000 100000"), 2);
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), 2);
  EXPECT_EQ(parse_cpu_max("1 100000"), 1);
  EXPECT_EQ(parse_cpu_max("9223372036854775807 1"), 4096);
  for (const char* text : {"", "max", "5", "-1 100", "100 0", "99999999999999999999 1", "a b"}) {
    EXPECT_EQ(parse_cpu_max(text), 0) << text;
  }
  EXPECT_GE(usable_cpus(), 1);
}

}  // namespace
}  // namespace tessera
