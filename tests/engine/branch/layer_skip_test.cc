#include "engine/branch/policies/layer_skip.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

BranchModel model_of(int layers) {
  BranchModel model{layers, {}};
  for (int layer = 0; layer < layers; ++layer) {
    model.sites.push_back({layer, Part::kMixer});
    model.sites.push_back({layer, Part::kMlp});
  }
  return model;
}

TEST(LayerSkip, KeepsThePublishedLayers) {
  EXPECT_THAT(kept_layers(30, 5), ElementsAre(0, 6, 12, 18, 24, 29));
  EXPECT_THAT(kept_layers(30, 10), ElementsAre(0, 15, 29));
  EXPECT_THAT(kept_layers(30, 3), ElementsAre(0, 3, 6, 9, 12, 15, 18, 21, 24, 29));
  EXPECT_THAT(kept_layers(32, 2),
              ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 31));
  EXPECT_THAT(kept_layers(12, 3), ElementsAre(0, 4, 8, 11));
}

TEST(LayerSkip, AlwaysKeepsFirstAndLastAscendingWithoutRepeats) {
  for (int layers = 1; layers <= 80; ++layers) {
    for (double speedup : {1.0, 1.2, 1.5, 1.9, 2.0, 2.5, 3.0, 5.0, 10.0, 64.0}) {
      const std::vector<int> kept = kept_layers(layers, speedup);
      ASSERT_EQ(kept.front(), 0);
      ASSERT_EQ(kept.back(), layers - 1);
      for (size_t at = 1; at < kept.size(); ++at) ASSERT_LT(kept[at - 1], kept[at]);
    }
  }
}

TEST(LayerSkip, NeutralSettingRunsEverythingInTheSharedNamespace) {
  const LayerSkip neutral({.speedup = 1}, model_of(6));
  EXPECT_THAT(neutral.verdicts(false), ::testing::Each(Verdict::kRun));
  EXPECT_TRUE(neutral.layers_without_generated_kv().empty());
  EXPECT_EQ(neutral.kv_namespace(), "");
}

TEST(LayerSkip, PromptsRunAllLayersAndOutputsTheKeptOnes) {
  const LayerSkip policy({.speedup = 2}, model_of(6));
  EXPECT_THAT(policy.verdicts(true), ::testing::Each(Verdict::kRun));
  const std::vector<int> kept = kept_layers(6, 2);
  const std::vector<Verdict> verdicts = policy.verdicts(false);
  for (int layer = 0; layer < 6; ++layer) {
    const bool is_kept = std::find(kept.begin(), kept.end(), layer) != kept.end();
    EXPECT_EQ(verdicts[2 * layer] == Verdict::kRun, is_kept) << layer;
    EXPECT_EQ(verdicts[2 * layer + 1] == Verdict::kRun, is_kept) << layer;
  }
  EXPECT_NE(policy.kv_namespace(), "");
}

TEST(LayerSkip, BadParametersNameTheBound) {
  const auto params = parse_params<LayerSkipParams>("layer_skip", {{"speedup", 0.5}});
  EXPECT_THAT(params.status().ToString(), ::testing::HasSubstr("layer_skip.speedup is 0.5"));
}

}  // namespace
}  // namespace tessera
