// Settings as they are sent, and the lists of the benchmark.
#include "tools/bench/diffusion/policy_setting.h"

#include <set>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(PolicySetting, ValuesAreSentAsWhatTheyLookLike) {
  const PolicySetting setting{
      "some", {{"flag", "true"}, {"count", "-3"}, {"level", "0.5"}, {"list", "720,640"}}};
  google::protobuf::Map<std::string, v1::PolicyParams> policies;
  setting.add_to(policies);
  ASSERT_EQ(policies.size(), 1u);
  const auto& values = policies.at("some").values();
  EXPECT_TRUE(values.at("flag").flag());
  EXPECT_EQ(values.at("count").integer(), -3);
  EXPECT_EQ(values.at("level").number(), 0.5);
  EXPECT_EQ(values.at("list").text(), "720,640");
  EXPECT_EQ(setting.text(), "some flag=true count=-3 level=0.5 list=720,640");
}

TEST(PolicySetting, NoneSendsNothing) {
  google::protobuf::Map<std::string, v1::PolicyParams> policies;
  PolicySetting{}.add_to(policies);
  EXPECT_TRUE(policies.empty());
  EXPECT_EQ(PolicySetting{}.text(), "none");
}

TEST(PolicySetting, EveryListPublishesEveryPolicyAndRepeatsNoSetting) {
  for (const auto& list :
       {picture_settings(), video_settings(), random_settings(false), random_settings(true)}) {
    std::set<std::string> texts, published;
    for (const PolicySetting& setting : list) {
      EXPECT_TRUE(texts.insert(setting.text()).second) << setting.text();
      if (setting.published) published.insert(setting.policy);
    }
    EXPECT_EQ(published, (std::set<std::string>{"adaptive_guidance", "delta_cache",
                                                "first_block_cache", "pab", "uniform_reuse"}));
  }
}

}  // namespace
}  // namespace tessera
