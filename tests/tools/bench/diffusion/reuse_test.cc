// What traces promise, against numbers worked out by hand.
#include "tools/bench/diffusion/reuse.h"

#include "gtest/gtest.h"
#include "tools/bench/diffusion/step_shares.h"

namespace tessera {
namespace {

// Two blocks of attention and MLP that cost 1 and 2, and 4 outside of them.
NetworkWork two_blocks() {
  return {{{0, SiteKind::kSelf, 1},
           {0, SiteKind::kMlp, 2},
           {1, SiteKind::kSelf, 1},
           {1, SiteKind::kMlp, 2}},
          4,
          true};
}

Reuse reuse(const std::vector<std::string>& trace) {
  const NetworkWork work = two_blocks();
  const auto found = reuse_of(trace, work, shares_by_operations(work));
  EXPECT_TRUE(found.ok()) << found.status();
  return *found;
}

TEST(Reuse, OfNothingIsNothing) {
  const Reuse found = reuse({"CCCC", "KCKC"});
  EXPECT_EQ(found.predicted_speedup, 1);
  EXPECT_EQ(found.operations_ratio, 1);
  EXPECT_EQ(found.by_kind.at(SiteKind::kSelf), 0);
}

TEST(Reuse, CountsByKind) {
  const Reuse found = reuse({"KCKC", "RCRC"});
  EXPECT_DOUBLE_EQ(found.by_kind.at(SiteKind::kSelf), 0.5);
  EXPECT_DOUBLE_EQ(found.by_kind.at(SiteKind::kMlp), 0);
  // Attention is 0.2 of a step and half of it did not run.
  EXPECT_DOUBLE_EQ(found.predicted_speedup, 1 / (1 - 0.2 * 0.5));
  EXPECT_DOUBLE_EQ(found.operations_ratio, 20.0 / 18);
}

TEST(Reuse, CountsRangesByTheirBranches) {
  const Reuse found = reuse({"CCCC|K", "CC--|R"});
  EXPECT_DOUBLE_EQ(found.predicted_speedup, 20.0 / 17);
  EXPECT_DOUBLE_EQ(found.by_kind.at(SiteKind::kMlp), 0.25);
}

TEST(Reuse, AStepWithoutGuidanceIsHalfAStep) {
  const Reuse found = reuse({"CCCC", "CCCC:c"});
  EXPECT_DOUBLE_EQ(found.unguided, 0.5);
  EXPECT_DOUBLE_EQ(found.predicted_speedup, 2 / 1.5);
  EXPECT_DOUBLE_EQ(reuse({"KCKC", "RCRC:c"}).operations_ratio, 20.0 / (10 + 4));
}

TEST(Reuse, TakesAllSamplesOfAStep) {
  EXPECT_DOUBLE_EQ(reuse({"KCKC KCKC", "RCRC CCCC:c"}).predicted_speedup, 4 / (2 + 0.8 + 0.5));
}

TEST(Reuse, RefusesTracesOfOtherNetworks) {
  const NetworkWork work = two_blocks();
  const StepShares shares = shares_by_operations(work);
  EXPECT_EQ(reuse_of({"CCC"}, work, shares).status().message(),
            "a trace of 3 branches, the network has 4");
  EXPECT_FALSE(reuse_of({}, work, shares).ok());
}

TEST(StepShares, OfKindsAreSpreadOverTheirSites) {
  const NetworkWork work = two_blocks();
  const StepShares shares = shares_by_kind(work, {{"self", 0.3}, {"mlp", 0.5}, {"ends", 0.2}});
  EXPECT_EQ(shares.source, "measured");
  EXPECT_DOUBLE_EQ(shares.sites[0], 0.15);
  EXPECT_DOUBLE_EQ(shares.sites[1], 0.25);
  EXPECT_NEAR(shares.other, 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(reuse_of({"KCKC", "RCRC"}, work, shares)->predicted_speedup,
                   1 / (1 - 0.3 * 0.5));
}

TEST(StepShares, OfNothingMeasuredAreByOperations) {
  const StepShares shares = shares_by_kind(two_blocks(), {});
  EXPECT_EQ(shares.source, "operations");
  EXPECT_DOUBLE_EQ(shares.sites[1], 0.2);
}

TEST(NetworkWork, CountsMultiplyAdds) {
  DitConfig dit;
  dit.layers = 2;
  dit.heads = 2;
  dit.head_width = 4;
  dit.in_channels = 4;
  dit.out_channels = 8;
  dit.patch = 2;
  dit.sample_size = 8;
  const auto work = network_work(TransformerConfig(dit), {});
  ASSERT_TRUE(work.ok());
  ASSERT_EQ(work->sites.size(), 4u);
  // 16 tokens, 8 wide: QKV, scores and values, the projection.
  EXPECT_EQ(work->sites[0].operations, 2 * (16 * 8 * 24 + 16 * 16 * 8 + 16 * 16 * 8 + 16 * 8 * 8));
  EXPECT_EQ(work->sites[1].operations, 2 * (16 * 8 * 32 + 16 * 32 * 8));
  EXPECT_EQ(work->other_operations, 2 * (16 * 16 * 8 + 16 * 8 * 32 + (256 + 8) * 8 + 14 * 8 * 8));
  EXPECT_FALSE(network_work(TransformerConfig(Sd3Config{}), {}).ok());
}

}  // namespace
}  // namespace tessera
