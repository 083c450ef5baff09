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

template <class T, class V>
SamplingParams with(std::optional<T> SamplingParams::*field, V value) {
  SamplingParams params;
  params.*field = value;
  return params;
}

TEST(Sampling, TheModelsDefaultsHoldUnlessNeutral) {
  GenerationDefaults model;
  model.temperature = 0.6f;
  model.top_k = 20;
  EXPECT_EQ(resolve({}, model)->temperature, 0.6f);
  EXPECT_EQ(resolve({}, model)->top_k, 20);
  EXPECT_EQ(resolve({}, model, true)->temperature, 1.0f);
  EXPECT_EQ(resolve({}, model, true)->top_k, 0);
  EXPECT_EQ(resolve(with(&SamplingParams::temperature, 0.0), model)->temperature, 0.0f);
  model.do_sample = false;
  EXPECT_EQ(resolve({}, model)->temperature, 0.0f);
}

TEST(Sampling, TheSeedIsTheRequestsOrTheDrawnOne) {
  EXPECT_EQ(resolve({})->seed, 7u);
  EXPECT_EQ(resolve(with(&SamplingParams::seed, 0))->seed, 0u);
}

TEST(Sampling, EveryFieldIsBounded) {
  const double nan = std::nan("");
  EXPECT_THAT(resolve(with(&SamplingParams::temperature, -0.1)).status().ToString(),
              HasSubstr("sampling.temperature"));
  EXPECT_THAT(resolve(with(&SamplingParams::temperature, nan)).status().ToString(),
              HasSubstr("sampling.temperature"));
  EXPECT_THAT(resolve(with(&SamplingParams::top_k, -1)).status().ToString(),
              HasSubstr("sampling.top_k"));
  EXPECT_THAT(resolve(with(&SamplingParams::top_p, 0.0)).status().ToString(),
              HasSubstr("in (0, 1]"));
  EXPECT_THAT(resolve(with(&SamplingParams::min_p, 1.5)).status().ToString(),
              HasSubstr("sampling.min_p"));
  EXPECT_THAT(resolve(with(&SamplingParams::repetition_penalty, 0.0)).status().ToString(),
              HasSubstr("repetition"));
  EXPECT_THAT(resolve(with(&SamplingParams::presence_penalty, 2.5)).status().ToString(),
              HasSubstr("presence"));
  EXPECT_THAT(resolve(with(&SamplingParams::frequency_penalty, nan)).status().ToString(),
              HasSubstr("frequency"));
  EXPECT_THAT(resolve(with(&SamplingParams::n, 0)).status().ToString(), HasSubstr("sampling.n"));
  SamplingParams bias;
  bias.logit_bias[100] = 1;
  EXPECT_THAT(resolve(bias).status().ToString(), HasSubstr("logit_bias token id is 100"));
  bias.logit_bias = {{5, nan}};
  EXPECT_THAT(resolve(bias).status().ToString(), HasSubstr("logit_bias[5]"));
  ResponseParams response;
  response.logprobs = 21;
  EXPECT_FALSE(resolve_sampling({}, response, {}, false, 100, 0).ok());
  response.logprobs = 20;
  response.prompt_logprobs = -1;
  EXPECT_FALSE(resolve_sampling({}, response, {}, false, 100, 0).ok());
}

StoppingParams tokens_between(int64_t least, int64_t most) {
  StoppingParams stopping;
  stopping.min_tokens = least;
  stopping.max_tokens = most;
  return stopping;
}

TEST(Stopping, EveryFieldIsBounded) {
  EXPECT_TRUE(validate_stopping(tokens_between(1, 1), 10).ok());
  EXPECT_FALSE(validate_stopping(tokens_between(0, 0), 10).ok());
  EXPECT_FALSE(validate_stopping(tokens_between(3, 2), 10).ok());
  StoppingParams stopping;
  stopping.stop = {""};
  EXPECT_FALSE(validate_stopping(stopping, 10).ok());
  stopping.stop = std::vector<std::string>(65, "x");
  EXPECT_FALSE(validate_stopping(stopping, 10).ok());
  stopping = {};
  stopping.stop_token_ids = {10};
  EXPECT_FALSE(validate_stopping(stopping, 10).ok());
}

}  // namespace
}  // namespace tessera
