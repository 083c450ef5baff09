#include <gtest/gtest.h>

#include "kernels/ops/sample.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

using test::Device;

struct Outcome {
  std::vector<int32_t> path;  // nodes after the root
  int32_t last_token;
  std::vector<int32_t> history;
};

Outcome run_verify(const std::vector<int32_t>& parents, const std::vector<int32_t>& node_tokens,
                   const std::vector<int32_t>& drawn, int32_t committed) {
  Device device(test::reference_level());
  Verify a;
  // A first tree without drafts, so that offsets of the second matter.
  std::vector<int32_t> all_parents = {-1}, all_tokens = {11}, all_drawn = {5};
  all_parents.insert(all_parents.end(), parents.begin(), parents.end());
  all_tokens.insert(all_tokens.end(), node_tokens.begin(), node_tokens.end());
  all_drawn.insert(all_drawn.end(), drawn.begin(), drawn.end());
  const int32_t nodes = static_cast<int32_t>(parents.size());
  a.trees =
      device.put_structs(std::vector<VerifyTree>{{0, 1, 0, 0, 3}, {1, nodes, 1, 1, committed}});
  a.tree_count = 2;
  a.parents = device.put_ints(all_parents);
  a.node_tokens = device.put_ints(all_tokens);
  a.tokens = device.put_ints(all_drawn);
  a.history = device.put(DType::kI32, {2, 100}, std::vector<int32_t>(200, -9));
  a.last_tokens = device.put_ints({0, 0});
  a.accepted = device.zeros(DType::kI32, {2, Verify::kMaxPath});
  verify(device.stream(), a);
  const std::vector<int32_t> accepted = device.get<int32_t>(a.accepted);
  const std::vector<int32_t> last = device.get<int32_t>(a.last_tokens);
  const std::vector<int32_t> history = device.get<int32_t>(a.history);
  EXPECT_EQ(accepted[0], 0);
  EXPECT_EQ(last[0], 5);
  const int32_t* path = accepted.data() + Verify::kMaxPath;
  return {{path + 1, path + 1 + path[0]}, last[1], {history.begin() + 100, history.end()}};
}

TEST(Verify, DescendsWhileAChildCarriesTheDrawnToken) {
  //        0 -> {1: 20, 2: 21};  2 -> {3: 30, 4: 31};  4 -> {5: 40}
  const std::vector<int32_t> parents = {-1, 0, 0, 2, 2, 4};
  const std::vector<int32_t> tokens = {9, 20, 21, 30, 31, 40};
  Outcome all = run_verify(parents, tokens, {21, 0, 31, 0, 40, 77}, 10);
  EXPECT_EQ(all.path, (std::vector<int32_t>{2, 4, 5}));
  EXPECT_EQ(all.last_token, 77);
  EXPECT_EQ(std::vector<int32_t>(all.history.begin() + 9, all.history.begin() + 15),
            (std::vector<int32_t>{-9, -9, 21, 31, 40, -9}));
  Outcome none = run_verify(parents, tokens, {22, 1, 1, 1, 1, 1}, 10);
  EXPECT_TRUE(none.path.empty());
  EXPECT_EQ(none.last_token, 22);
  EXPECT_EQ(none.history, std::vector<int32_t>(100, -9));
  Outcome one = run_verify(parents, tokens, {20, 88, 1, 1, 1, 1}, 10);
  EXPECT_EQ(one.path, std::vector<int32_t>{1});
  EXPECT_EQ(one.last_token, 88);
}

TEST(Verify, ARowThatCouldNotBeDrawnEndsThePath) {
  Outcome outcome = run_verify({-1, 0, 1}, {9, 20, -1}, {20, -1, 3}, 0);
  EXPECT_EQ(outcome.path, std::vector<int32_t>{1});
  EXPECT_EQ(outcome.last_token, -1);
}

TEST(Verify, LongestPath) {
  std::vector<int32_t> parents, tokens, drawn;
  for (int32_t node = 0; node < 70; ++node) {
    parents.push_back(node - 1);
    tokens.push_back(node);
    drawn.push_back(node + 1);
  }
  Outcome outcome = run_verify(parents, tokens, drawn, 5);
  EXPECT_EQ(outcome.path.size(), static_cast<size_t>(Verify::kMaxPath - 1));
  EXPECT_EQ(outcome.last_token, Verify::kMaxPath);
}

// Against a slow definition: the longest chain of nodes in which each carries what its parent drew.
TEST(Verify, RandomTrees) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const int nodes = 1 + static_cast<int>(random() % 20);
    std::vector<int32_t> parents = {-1}, tokens = {0}, drawn = {static_cast<int32_t>(random() % 3)};
    for (int node = 1; node < nodes; ++node) {
      parents.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(node)));
      tokens.push_back(static_cast<int32_t>(random() % 3));
      drawn.push_back(static_cast<int32_t>(random() % 3));
    }
    const Outcome outcome = run_verify(parents, tokens, drawn, 7);
    int32_t node = 0;
    std::vector<int32_t> path;
    for (bool moved = true; moved;) {
      moved = false;
      for (int32_t child = 0; child < nodes && !moved; ++child) {
        if (parents[child] != node || tokens[child] != drawn[node]) continue;
        path.push_back(node = child);
        moved = true;
      }
    }
    ASSERT_EQ(outcome.path, path);
    ASSERT_EQ(outcome.last_token, drawn[node]);
  }
}

}  // namespace
}  // namespace tessera
