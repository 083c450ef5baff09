#include "engine/decode/sampling.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Sampling> resolve(const SamplingParams& params, const GenerationDefaults& model = {},
                                 bool neutral = false) {
  return resolve_sampling(params, {}, model, neutral, 100, 7);
}

TEST(Sampling, TheModelsDefaultsHoldUnlessNeutral) {
  GenerationDefaults model;
  model.temperature = 0.6f;
  model.top_k = 20;
  EXPECT_EQ(resolve({}, model)->temperature, 0.6f);
  EXPECT_EQ(resolve({}, model)->top_k, 20);
  EXPECT_EQ(resolve({}, model, true)->temperature, 1.0f);
  EXPECT_EQ(resolve({}, model, true)->top_k, 0);
  EXPECT_EQ(resolve({.temperature = 0.0}, model)->temperature, 0.0f);
  model.do_sample = false;
  EXPECT_EQ(resolve({}, model)->temperature, 0.0f);
}

TEST(Sampling, TheSeedIsTheRequestsOrTheDrawnOne) {
  EXPECT_EQ(resolve({})->seed, 7u);
  EXPECT_EQ(resolve({.seed = 0})->seed, 0u);
}

TEST(Sampling, EveryFieldIsBounded) {
  const double nan = std::nan("");
  EXPECT_THAT(resolve({.temperature = -0.1}).status().ToString(), HasSubstr("sampling.temperature"));
  EXPECT_THAT(resolve({.temperature = nan}).status().ToString(), HasSubstr("sampling.temperature"));
  EXPECT_THAT(resolve({.top_k = -1}).status().ToString(), HasSubstr("sampling.top_k"));
  EXPECT_THAT(resolve({.top_p = 0.0}).status().ToString(), HasSubstr("in (0, 1]"));
  EXPECT_THAT(resolve({.min_p = 1.5}).status().ToString(), HasSubstr("sampling.min_p"));
  EXPECT_THAT(resolve({.repetition_penalty = 0.0}).status().ToString(), HasSubstr("repetition"));
  EXPECT_THAT(resolve({.presence_penalty = 2.5}).status().ToString(), HasSubstr("presence"));
  EXPECT_THAT(resolve({.frequency_penalty = nan}).status().ToString(), HasSubstr("frequency"));
  EXPECT_THAT(resolve({.n = 0}).status().ToString(), HasSubstr("sampling.n"));
  SamplingParams bias;
  bias.logit_bias[100] = 1;
  EXPECT_THAT(resolve(bias).status().ToString(), HasSubstr("logit_bias token id is 100"));
  bias.logit_bias = {{5, nan}};
  EXPECT_THAT(resolve(bias).status().ToString(), HasSubstr("logit_bias[5]"));
  EXPECT_FALSE(resolve_sampling({}, {.logprobs = 21}, {}, false, 100, 0).ok());
  EXPECT_FALSE(resolve_sampling({}, {.prompt_logprobs = -1}, {}, false, 100, 0).ok());
}

TEST(Stopping, EveryFieldIsBounded) {
  EXPECT_TRUE(validate_stopping({.max_tokens = 1, .min_tokens = 1}, 10).ok());
  EXPECT_FALSE(validate_stopping({.max_tokens = 0}, 10).ok());
  EXPECT_FALSE(validate_stopping({.max_tokens = 2, .min_tokens = 3}, 10).ok());
  EXPECT_FALSE(validate_stopping({.stop = {""}}, 10).ok());
  EXPECT_FALSE(validate_stopping({.stop = std::vector<std::string>(65, "x")}, 10).ok());
  EXPECT_FALSE(validate_stopping({.stop_token_ids = {10}}, 10).ok());
}

}  // namespace
}  // namespace tessera
