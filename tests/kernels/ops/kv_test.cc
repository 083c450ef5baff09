#include <gtest/gtest.h>

#include "kernels/ops/attention.h"
#include "kernels/ops/sample.h"
#include "support/kv_pages.h"

namespace tessera {
namespace {

using test::Device;

constexpr int64_t kHkv = 2, kDh = 6, kBlocks = 4;

// Pages whose element of (slot, head, d) is a number that names it; values differ between k and v.
// Small integers are exact in bf16 as well.
float name_of_element(int64_t slot, int64_t head, int64_t d, bool is_key) {
  return static_cast<float>((slot * 3 + head * 5 + d * 7 + (is_key ? 0 : 11)) % 251);
}

test::Pages named_pages(Device& device, DType dtype) {
  std::vector<float> k(kBlocks * kHkv * 16 * kDh), v(k.size());
  for (int64_t slot = 0; slot < kBlocks * 16; ++slot) {
    for (int64_t head = 0; head < kHkv; ++head) {
      for (int64_t d = 0; d < kDh; ++d) {
        k[test::k_at(dtype, kHkv, kDh, slot, head, d)] = name_of_element(slot, head, d, true);
        v[test::v_at(dtype, kHkv, kDh, slot, head, d)] = name_of_element(slot, head, d, false);
      }
    }
  }
  if (dtype == DType::kBf16) {
    return {device.put_rounded(dtype, {kBlocks, kHkv, kDh / 2, 16, 2}, k),
            device.put_rounded(dtype, {kBlocks, kHkv, 8, kDh, 2}, v)};
  }
  return {device.put_rounded(dtype, {kBlocks, kHkv, kDh, 16}, k),
          device.put_rounded(dtype, {kBlocks, kHkv, 16, kDh}, v)};
}

// For each slot, the slot whose K and V it holds now.
std::vector<int64_t> holders(Device& device, const test::Pages& pages, DType dtype,
                             const std::vector<int64_t>& expected) {
  const std::vector<float> k = device.get_floats(pages.k), v = device.get_floats(pages.v);
  std::vector<int64_t> wrong;
  for (int64_t slot = 0; slot < kBlocks * 16; ++slot) {
    for (int64_t head = 0; head < kHkv; ++head) {
      for (int64_t d = 0; d < kDh; ++d) {
        const bool right = k[test::k_at(dtype, kHkv, kDh, slot, head, d)] ==
                               name_of_element(expected[slot], head, d, true) &&
                           v[test::v_at(dtype, kHkv, kDh, slot, head, d)] ==
                               name_of_element(expected[slot], head, d, false);
        if (!right) wrong.push_back(slot);
      }
    }
  }
  return wrong;
}

TEST(KvCommit, MovesTheAcceptedPathInPlace) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    // Tree 0: nodes at slots 14, 15, 16, 33, 34 (crossing pages); path 2, 4. Tree 1: nothing
    // accepted. Tree 2: path 1, 2, 3 is where it belongs already.
    const auto body = [&](Device& device) {
      const test::Pages pages = named_pages(device, dtype);
      KvCommit a;
      a.k_pages = pages.k;
      a.v_pages = pages.v;
      a.trees = device.put_structs(
          std::vector<VerifyTree>{{0, 5, 0, 0, 14}, {5, 2, 5, 1, 3}, {7, 4, 7, 2, 50}});
      a.tree_count = 3;
      a.node_slots = device.put_ints({14, 15, 16, 33, 34, 3, 4, 50, 51, 52, 53});
      std::vector<int32_t> accepted(3 * Verify::kMaxPath, -7);
      const std::vector<int32_t> path0 = {2, 2, 4}, path2 = {3, 1, 2, 3};
      std::copy(path0.begin(), path0.end(), accepted.begin());
      accepted[Verify::kMaxPath] = 0;
      std::copy(path2.begin(), path2.end(), accepted.begin() + 2 * Verify::kMaxPath);
      a.accepted = device.put(DType::kI32, {3, Verify::kMaxPath}, accepted);
      kv_commit(device.stream(), a);
      return std::vector<Tensor>{pages.k, pages.v};
    };
    test::expect_same_bits("kv_commit", body);
    Device device(test::reference_level());
    const std::vector<Tensor> out = body(device);
    std::vector<int64_t> expected(kBlocks * 16);
    for (int64_t slot = 0; slot < kBlocks * 16; ++slot) expected[slot] = slot;
    expected[15] = 16;  // node 2 to where node 1 stood
    expected[16] = 34;  // node 4 to where node 2 stood
    EXPECT_THAT(holders(device, {out[0], out[1]}, dtype, expected), testing::IsEmpty());
  }
}

// Random paths, in place, against copying through a second buffer.
TEST(KvCommit, RandomPathsInPlace) {
  std::mt19937 random(4);
  for (int trial = 0; trial < 50; ++trial) {
    Device device(test::reference_level());
    const DType dtype = trial % 2 == 0 ? DType::kBf16 : DType::kF32;
    const test::Pages pages = named_pages(device, dtype);
    const int nodes = 2 + static_cast<int>(random() % 30);
    std::vector<int32_t> slots(kBlocks * 16);
    for (size_t slot = 0; slot < slots.size(); ++slot) slots[slot] = static_cast<int32_t>(slot);
    std::shuffle(slots.begin(), slots.end(), random);
    slots.resize(static_cast<size_t>(nodes));
    std::vector<int32_t> accepted(Verify::kMaxPath, -1);
    std::vector<int64_t> expected(kBlocks * 16);
    for (int64_t slot = 0; slot < kBlocks * 16; ++slot) expected[slot] = slot;
    const std::vector<int64_t> before = expected;
    int32_t depth = 0;
    for (int32_t node = 1; node < nodes; ++node) {
      if (random() % 2 == 0) continue;
      accepted[++depth] = node;
      expected[slots[depth]] = before[slots[node]];
    }
    accepted[0] = depth;
    KvCommit a;
    a.k_pages = pages.k;
    a.v_pages = pages.v;
    a.trees = device.put_structs(std::vector<VerifyTree>{{0, nodes, 0, 0, 0}});
    a.tree_count = 1;
    a.node_slots = device.put_ints(slots);
    a.accepted = device.put(DType::kI32, {1, Verify::kMaxPath}, accepted);
    kv_commit(device.stream(), a);
    ASSERT_THAT(holders(device, pages, dtype, expected), testing::IsEmpty());
  }
}

TEST(KvPageCopy, ExportsTheCanonicalFormAndImportsItBack) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    const auto body = [&](Device& device) {
      const test::Pages source = named_pages(device, dtype);
      const test::Pages target = test::make_pages(device, dtype, kBlocks, kHkv, kDh, 1.0f);
      const Tensor canonical = device.zeros(dtype, {2, 2, kHkv, 16, kDh});
      kv_page_copy(device.stream(),
                   KvPageCopy{source.k, source.v, device.put_ints({3, 1}), canonical, false});
      kv_page_copy(device.stream(),
                   KvPageCopy{target.k, target.v, device.put_ints({0, 2}), canonical, true});
      return std::vector<Tensor>{canonical, target.k, target.v};
    };
    test::expect_same_bits("kv_page_copy", body);
    Device device(test::reference_level());
    const std::vector<Tensor> out = body(device);
    const std::vector<float> canonical = device.get_floats(out[0]);
    size_t at = 0;
    for (const int64_t page : {3, 1}) {
      for (const bool is_key : {true, false}) {
        for (int64_t head = 0; head < kHkv; ++head) {
          for (int64_t token = 0; token < 16; ++token) {
            for (int64_t d = 0; d < kDh; ++d) {
              ASSERT_EQ(canonical[at++], name_of_element(page * 16 + token, head, d, is_key));
            }
          }
        }
      }
    }
    const std::vector<float> k = device.get_floats(out[1]), v = device.get_floats(out[2]);
    for (int64_t slot = 0; slot < kBlocks * 16; ++slot) {
      const int64_t page = slot / 16;
      const int64_t from = (page == 0 ? 3 : 1) * 16 + slot % 16;
      for (int64_t head = 0; head < kHkv; ++head) {
        for (int64_t d = 0; d < kDh; ++d) {
          const bool written = page == 0 || page == 2;
          ASSERT_EQ(k[test::k_at(dtype, kHkv, kDh, slot, head, d)],
                    written ? name_of_element(from, head, d, true) : 1.0f);
          ASSERT_EQ(v[test::v_at(dtype, kHkv, kDh, slot, head, d)],
                    written ? name_of_element(from, head, d, false) : 1.0f);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
