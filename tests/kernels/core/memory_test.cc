#include "kernels/core/memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace tessera {
namespace {

TEST(Region, AllocationsAreAlignedDisjointAndZero) {
  absl::StatusOr<Region> region = Region::create("test", 1 << 16);
  ASSERT_TRUE(region.ok());
  const Tensor a = region->allocate(DType::kBf16, {3, 5});
  const Tensor b = region->allocate(DType::kF32, {7});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data) % Region::kAlignment, 0u);
  EXPECT_EQ(static_cast<char*>(b.data) - static_cast<char*>(a.data), 64);
  EXPECT_EQ(region->bytes_used(), 128u);
  Region::open_all();
  for (int64_t index = 0; index < b.elements(); ++index) EXPECT_EQ(b.as<float>()[index], 0.f);
  std::memset(a.data, 1, static_cast<size_t>(a.bytes()));
  Region::close_all();
  region->reset();
  EXPECT_EQ(region->allocate(DType::kU8, {1}).data, a.data);
}

TEST(Region, LargeRegionsStartOnHugePages) {
  absl::StatusOr<Region> region = Region::create("test", size_t{5} << 20);
  ASSERT_TRUE(region.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(region->allocate(DType::kU8, {1}).data) % (2u << 20), 0u);
  EXPECT_EQ(region->bytes_total(), size_t{5} << 20);
}

TEST(Region, ImpossibleSizeIsAnErrorThatNamesThePurpose) {
  for (const size_t bytes : {size_t{1} << 62, ~size_t{0}}) {
    const absl::StatusOr<Region> region = Region::create("kv pages", bytes);
    ASSERT_FALSE(region.ok());
    EXPECT_NE(region.status().ToString().find("kv pages"), std::string::npos);
  }
}

TEST(Region, DryRegionsHaveDistinctAddressesAndNoMemory) {
  Region a = Region::dry("a");
  Region b = Region::dry("b");
  const Tensor first = a.allocate(DType::kBf16, {int64_t{1} << 36});
  EXPECT_NE(first.data, a.allocate(DType::kBf16, {1}).data);
  EXPECT_NE(first.data, b.allocate(DType::kBf16, {1}).data);
}

TEST(Region, MovedRegionKeepsItsMemory) {
  absl::StatusOr<Region> made = Region::create("test", 4096);
  ASSERT_TRUE(made.ok());
  const Tensor tensor = made->allocate(DType::kI32, {4});
  Region moved = std::move(*made);
  EXPECT_EQ(moved.bytes_used(), 64u);
  Region::open_all();
  tensor.as<int32_t>()[3] = 7;
  EXPECT_EQ(tensor.as<int32_t>()[3], 7);
  Region::close_all();
}

TEST(RegionDeathTest, TooLargeAnAllocationIsOurMistake) {
  absl::StatusOr<Region> region = Region::create("test", 4096);
  ASSERT_TRUE(region.ok());
  EXPECT_DEATH(region->allocate(DType::kF32, {2000}), "check failed");
}

#ifdef TESSERA_DEBUG
TEST(RegionDeathTest, HostReadOfClosedMemoryFaults) {
  absl::StatusOr<Region> region = Region::create("test", 4096);
  ASSERT_TRUE(region.ok());
  const Tensor tensor = region->allocate(DType::kI32, {4});
  EXPECT_DEATH(
      {
        volatile int32_t read = tensor.as<volatile int32_t>()[0];
        static_cast<void>(read);
      },
      "");
  Region::open_all();
  EXPECT_EQ(tensor.as<int32_t>()[0], 0);
  Region::open_all();
  Region::close_all();
  EXPECT_EQ(tensor.as<int32_t>()[1], 0);  // one lane still executes
  Region::close_all();
}
#endif

}  // namespace
}  // namespace tessera
