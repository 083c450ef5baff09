#include "kernels/ops/recurrence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/ops/sample.h"
#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

constexpr int64_t kSlots = 12;

struct ScanInputs {
  int64_t T, C;
  std::vector<float> inputs, states;
  std::vector<StateSegment> segments;
  std::vector<int32_t> parents, node_slots;
};

ScanInputs scan_inputs(int64_t T, int64_t C, unsigned seed) {
  std::mt19937 random(seed);
  ScanInputs in{
      T, C, random_floats(random, T * 3 * C, 2.0f), random_floats(random, kSlots * C), {}, {}, {}};
  // Gates far out, where the exponential over- and underflows.
  for (size_t at = 0; at < in.inputs.size(); at += 37) in.inputs[at] *= 60.0f;
  return in;
}

// out, states
std::vector<Tensor> run_scan(Device& device, const ScanInputs& in, DType dtype) {
  GatedScan a;
  a.inputs = device.put(DType::kF32, {in.T, 3 * in.C}, in.inputs);
  a.segments = device.put_structs(in.segments);
  a.segment_count = static_cast<int>(in.segments.size());
  if (!in.parents.empty()) a.parents = device.put_ints(in.parents);
  if (!in.node_slots.empty()) a.node_slots = device.put_ints(in.node_slots);
  a.states = device.put(DType::kF32, {kSlots, in.C}, in.states);
  a.out = device.zeros(dtype, {in.T, in.C});
  gated_scan(device.stream(), a);
  return {a.out, a.states};
}

std::vector<float> row_of(const std::vector<float>& values, int64_t row, int64_t width) {
  return {values.begin() + row * width, values.begin() + (row + 1) * width};
}

// One sequence alone from `state`, in double precision.
void check_against_definition(const ScanInputs& in, const std::vector<int64_t>& rows,
                              std::vector<double> state, const std::vector<float>& out,
                              const std::vector<float>& after) {
  const auto sigmoid = [](double value) { return 1 / (1 + std::exp(-value)); };
  for (const int64_t row : rows) {
    for (int64_t c = 0; c < in.C; ++c) {
      const float* at = in.inputs.data() + row * 3 * in.C;
      const double keep = sigmoid(at[in.C + c]), x = at[c], g = at[2 * in.C + c];
      state[c] = keep * state[c] + (1 - keep) * x;
      const double truth = state[c] * g * sigmoid(g);
      ASSERT_NEAR(out[row * in.C + c], truth, 1e-5 * std::abs(g) * (1 + std::abs(x)));
    }
  }
  for (int64_t c = 0; c < in.C; ++c) {
    ASSERT_NEAR(after[c], state[c], 1e-5 * (1 + std::abs(state[c])));
  }
}

// Plain segments, a chain of two on one slot, one that moves to another slot, and two trees.
ScanInputs mixed_segments(int64_t C) {
  ScanInputs in = scan_inputs(30, C, static_cast<unsigned>(C));
  in.segments = {{0, 4, -1, 0, -1}, {4, 3, 1, 1, -1},  {7, 2, 1, 1, -1},
                 {9, 1, 2, 3, -1},  {10, 6, 4, -1, 0}, {17, 3, -1, -1, 6}};
  // Row 16 and rows from 20 on belong to nobody.
  in.parents = {-1, 0, 0, 1, 1, 4, -1, 0, 1};
  in.node_slots = {4, 5, 6, 7, 8, 9, 10, 11, 2};
  return in;
}

TEST(GatedScan, SameBitsOnEveryLevel) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const int64_t T = shape[0], C = shape[1];
    ScanInputs in = scan_inputs(T, C, static_cast<unsigned>(T + C));
    const auto half = static_cast<int32_t>(T / 2);
    in.segments = {{0, static_cast<int32_t>(T) - half, 3, 3, -1}};
    if (half > 0) in.segments.push_back({static_cast<int32_t>(T) - half, half, -1, 5, -1});
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      test::expect_same_bits("gated_scan",
                             [&](Device& device) { return run_scan(device, in, dtype); });
    }
  }
  for (const int64_t C : {1, 8, 63, 64, 65, 200}) {
    const ScanInputs in = mixed_segments(C);
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      test::expect_same_bits("tree scan",
                             [&](Device& device) { return run_scan(device, in, dtype); });
    }
  }
}

TEST(GatedScan, IsTheRecurrence) {
  const int64_t C = 21;
  const ScanInputs in = mixed_segments(C);
  Device device(test::reference_level());
  const std::vector<Tensor> tensors = run_scan(device, in, DType::kF32);
  const auto out = device.get<float>(tensors[0]), states = device.get<float>(tensors[1]);
  const auto before = [&](int64_t slot) {
    const std::vector<float> row = row_of(in.states, slot, C);
    return std::vector<double>(row.begin(), row.end());
  };
  const auto check = [&](std::vector<int64_t> rows, std::vector<double> from, int64_t slot) {
    check_against_definition(in, rows, std::move(from), out, row_of(states, slot, C));
  };
  check({0, 1, 2, 3}, std::vector<double>(C), 0);
  check({4, 5, 6, 7, 8}, before(1), 1);  // two segments, one after the other
  check({9}, before(2), 3);
  // Every node of the first tree along its own path; other rows of the path do not show.
  check({10}, before(4), 4);
  check({10, 11}, before(4), 5);
  check({10, 12}, before(4), 6);
  check({10, 11, 13}, before(4), 7);
  check({10, 11, 14}, before(4), 8);
  check({10, 11, 14, 15}, before(4), 9);
  check({17, 18, 19}, std::vector<double>(C), 2);
  EXPECT_EQ(row_of(out, 16, C), std::vector<float>(C, 0.0f));
  EXPECT_EQ(row_of(out, 25, C), std::vector<float>(C, 0.0f));
}

// T-STATE: a prompt in chunks, and steps of one row, leave the bits of the whole.
TEST(GatedScan, ChunksDoNotChangeABit) {
  const int32_t T = 40;
  const int64_t C = 70;
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    ScanInputs in = scan_inputs(T, C, 5);
    in.segments = {{0, T, 2, 2, -1}};
    Device device(test::reference_level());
    const std::vector<Tensor> whole = run_scan(device, in, dtype);
    const auto out = device.get_floats(whole[0]), states = device.get<float>(whole[1]);
    for (const int32_t chunk : {1, 7, 16}) {
      in.segments.clear();
      for (int32_t row = 0; row < T; row += chunk) {
        in.segments.push_back({row, std::min(chunk, T - row), 2, 2, -1});
      }
      const std::vector<Tensor> chunked = run_scan(device, in, dtype);
      EXPECT_EQ(device.get_floats(chunked[0]), out);
      EXPECT_EQ(device.get<float>(chunked[1]), states);
    }
  }
}

// T1: every node of a random tree has the bits of its path run as a plain segment, and
// state_commit leaves the state that plain decoding of the accepted path leaves.
TEST(GatedScan, TreesEqualTheirPathsAndCommitKeepsOne) {
  std::mt19937 random(8);
  const int64_t C = 33;
  for (int trial = 0; trial < 40; ++trial) {
    const int32_t nodes = 1 + static_cast<int32_t>(random() % 8);
    ScanInputs tree = scan_inputs(nodes, C, static_cast<unsigned>(trial));
    tree.segments = {{0, nodes, trial % 4 == 0 ? -1 : 3, -1, 0}};
    tree.parents = {-1};
    for (int32_t node = 1; node < nodes; ++node) {
      tree.parents.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(node)));
    }
    tree.node_slots = {3, 0, 11, 1, 10, 2, 9, 4};
    tree.node_slots.resize(static_cast<size_t>(nodes));
    std::vector<int32_t> path;
    for (int32_t node = static_cast<int32_t>(random() % static_cast<unsigned>(nodes)); node >= 0;
         node = tree.parents[node]) {
      path.insert(path.begin(), node);
    }
    std::vector<int32_t> accepted(Verify::kMaxPath, -5);
    accepted[0] = static_cast<int32_t>(path.size()) - 1;
    std::copy(path.begin() + 1, path.end(), accepted.begin() + 1);
    const auto body = [&](Device& device) {
      std::vector<Tensor> tensors = run_scan(device, tree, DType::kF32);
      state_commit(device.stream(),
                   {.states = tensors[1],
                    .trees = device.put_structs(std::vector<VerifyTree>{{0, nodes, 0, 0, 9}}),
                    .tree_count = 1,
                    .node_slots = device.put_ints(tree.node_slots),
                    .accepted = device.put(DType::kI32, {1, Verify::kMaxPath}, accepted)});
      return tensors;
    };
    test::expect_same_bits("tree commit", body);

    Device device(test::reference_level());
    const std::vector<Tensor> tensors = body(device);
    const auto out = device.get<float>(tensors[0]), states = device.get<float>(tensors[1]);
    ScanInputs plain = tree;
    plain.T = static_cast<int64_t>(path.size());
    plain.inputs.clear();
    for (const int32_t row : path) {
      const std::vector<float> one = row_of(tree.inputs, row, 3 * C);
      plain.inputs.insert(plain.inputs.end(), one.begin(), one.end());
    }
    plain.segments = {{0, static_cast<int32_t>(path.size()), tree.segments[0].from, 3, -1}};
    plain.parents = plain.node_slots = {};
    const std::vector<Tensor> alone = run_scan(device, plain, DType::kF32);
    const auto alone_out = device.get<float>(alone[0]), alone_states = device.get<float>(alone[1]);
    for (size_t depth = 0; depth < path.size(); ++depth) {
      ASSERT_EQ(row_of(out, path[depth], C), row_of(alone_out, static_cast<int64_t>(depth), C));
    }
    ASSERT_EQ(row_of(states, 3, C), row_of(alone_states, 3, C));
  }
}

TEST(StateCommit, MovesTheStatesOfSeveralTrees) {
  const int64_t C = 5;
  // Tree 0 accepts nodes 2 and 3, tree 1 nothing, tree 2 node 1.
  const auto body = [&](Device& device) {
    std::vector<float> states(kSlots * C);
    std::iota(states.begin(), states.end(), 0.0f);
    std::vector<int32_t> accepted(3 * Verify::kMaxPath, -1);
    const std::vector<int32_t> path = {2, 2, 3};
    std::copy(path.begin(), path.end(), accepted.begin());
    accepted[Verify::kMaxPath] = 0;
    accepted[2 * Verify::kMaxPath] = accepted[2 * Verify::kMaxPath + 1] = 1;
    StateCommit a;
    a.states = device.put(DType::kF32, {kSlots, C}, states);
    a.trees = device.put_structs(
        std::vector<VerifyTree>{{0, 4, 0, 0, 9}, {4, 2, 4, 1, 9}, {6, 2, 6, 2, 9}});
    a.tree_count = 3;
    a.node_slots = device.put_ints({7, 1, 2, 3, 0, 4, 5, 6});
    a.accepted = device.put(DType::kI32, {3, Verify::kMaxPath}, accepted);
    state_commit(device.stream(), a);
    return std::vector<Tensor>{a.states};
  };
  test::expect_same_bits("state_commit", body);
  Device device(test::reference_level());
  const auto found = device.get<float>(body(device)[0]);
  std::vector<int64_t> holds(kSlots);
  std::iota(holds.begin(), holds.end(), 0);
  holds[7] = 3;
  holds[5] = 6;
  for (int64_t slot = 0; slot < kSlots; ++slot) {
    EXPECT_EQ(found[slot * C], static_cast<float>(holds[slot] * C)) << slot;
  }
}

}  // namespace
}  // namespace tessera
