// The engine end to end on small random models: greedy goldens, stopping, cancelling, bad requests.
#include <filesystem>

#include "gmock/gmock.h"
#include "support/engine_rig.h"
#include "support/golden.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

constexpr int32_t kTokenizerIds = 260;  // of every golden model

class Engines : public testing::Test {
 protected:
  static Engine& engine() {
    static Engine* const shared = [] {
      EngineConfig config = engine_config(golden_folder("llama_plain"));
      config.model.dtype = "f32";
      return start(config).release();
    }();
    return *shared;
  }
  static std::vector<int32_t> prompt() { return read_golden(golden_folder("llama_plain"), 0).ids; }
};

TEST_F(Engines, GreedyDecodingEqualsTransformers) {
  for (const auto& entry :
       std::filesystem::directory_iterator(TESSERA_SOURCE_DIR "/tests/golden/models")) {
    if (!entry.is_directory()) continue;
    EngineConfig config = engine_config(entry.path().string());
    config.model.dtype = "f32";
    config.model.sampling_defaults = "neutral";
    const auto engine = start(config);
    ASSERT_NE(engine, nullptr);
    for (int which = 0; which < 2; ++which) {
      GoldenPrompt golden = read_golden(entry.path().string(), which);
      // transformers samples ids that pad the vocabulary; we never do.
      const auto padding = std::find_if(golden.greedy.begin(), golden.greedy.end(),
                                        [](int32_t id) { return id >= kTokenizerIds; });
      golden.greedy.erase(padding, golden.greedy.end());
      const auto told = ask(*engine, token_request("g", golden.ids, golden.greedy.size()));
      told->wait();
      ASSERT_TRUE(told->failure().ok()) << told->failure();
      EXPECT_EQ(ids_of(told->outputs()[0]), golden.greedy) << entry.path();
      EXPECT_EQ(told->usage().prompt_tokens, static_cast<int64_t>(golden.ids.size()));
      EXPECT_EQ(told->outputs()[0].finished->reason, FinishReason::kLength);
    }
  }
}

TEST_F(Engines, StopsAtAStopTokenAndReportsIt) {
  const auto free = ask(engine(), token_request("a", prompt(), 12));
  free->wait();
  const std::vector<int32_t> ids = ids_of(free->outputs()[0]);
  TextRequest request = token_request("b", prompt(), 12);
  request.stopping.stop_token_ids = {ids[5]};
  const auto first = std::find(ids.begin(), ids.end(), ids[5]);
  const auto stopped = ask(engine(), std::move(request));
  stopped->wait();
  EXPECT_EQ(ids_of(stopped->outputs()[0]), std::vector<int32_t>(ids.begin(), first + 1));
  EXPECT_EQ(stopped->outputs()[0].finished->reason, FinishReason::kStop);
  EXPECT_EQ(stopped->outputs()[0].finished->stop_token_id, ids[5]);
}

TEST_F(Engines, MinTokensBansStopTokens) {
  const auto free = ask(engine(), token_request("a", prompt(), 12));
  free->wait();
  TextRequest request = token_request("b", prompt(), 12);
  request.stopping.stop_token_ids = {ids_of(free->outputs()[0])[0]};
  request.stopping.min_tokens = 6;
  const auto told = ask(engine(), std::move(request));
  told->wait();
  EXPECT_GE(told->outputs()[0].token_count, 6);
  const std::vector<int32_t> ids = ids_of(told->outputs()[0]);
  for (int at = 0; at < 6; ++at) EXPECT_NE(ids[at], ids_of(free->outputs()[0])[0]);
}

TEST_F(Engines, SeveralOutputsDifferByIndexAndEqualTheSameSeed) {
  TextRequest request = token_request("a", prompt(), 8);
  request.sampling.temperature = 1.0;
  request.sampling.seed = 5;
  request.sampling.n = 3;
  const auto one = ask(engine(), request);
  one->wait();
  ASSERT_EQ(one->outputs().size(), 3u);
  EXPECT_NE(ids_of(one->outputs()[0]), ids_of(one->outputs()[1]));
  const auto two = ask(engine(), request);
  two->wait();
  for (int index = 0; index < 3; ++index) {
    EXPECT_EQ(one->outputs()[index].tokens, two->outputs()[index].tokens);
  }
  EXPECT_EQ(one->usage().completion_tokens, 24);
}

TEST_F(Engines, PromptLogprobsCoverThePrompt) {
  TextRequest request = token_request("a", prompt(), 1);
  request.response.prompt_logprobs = 2;
  const auto told = ask(engine(), std::move(request));
  told->wait();
  ASSERT_TRUE(told->prompt().has_value());
  ASSERT_EQ(told->prompt()->prompt_logprobs.size(), prompt().size());
  EXPECT_FALSE(told->prompt()->prompt_logprobs[0].logprob.has_value());
  for (size_t at = 1; at < prompt().size(); ++at) {
    const TokenInfo& token = told->prompt()->prompt_logprobs[at];
    EXPECT_EQ(token.id, prompt()[at]);
    EXPECT_LE(*token.logprob, 0);
    EXPECT_EQ(token.alternatives.size(), 2u);
    EXPECT_GE(token.rank, 1);
  }
}

TEST_F(Engines, CancelEndsARequestAndGivesEverythingBack) {
  const auto told = ask(engine(), token_request("a", prompt(), 100000));
  told->wait_for_tokens(2);
  EXPECT_TRUE(engine().cancel("a").ok());
  told->wait();
  EXPECT_TRUE(absl::IsCancelled(told->failure()));
  EXPECT_TRUE(absl::IsNotFound(engine().cancel("a")));
  for (int tries = 0; tries < 500 && engine().load().blocks_used > 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(engine().load().blocks_used, 0);
}

TEST_F(Engines, ADeadlineThatPassesEndsTheRequest) {
  TextRequest request = token_request("a", prompt(), 100000);
  request.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
  const auto told = ask(engine(), std::move(request));
  told->wait();
  EXPECT_TRUE(absl::IsDeadlineExceeded(told->failure())) << told->failure();
}

TEST_F(Engines, BadRequestsAreRefusedNamingTheField) {
  const auto refusal = [&](const std::function<void(TextRequest&)>& change) {
    TextRequest request = token_request("bad", prompt(), 4);
    change(request);
    return engine().submit(std::move(request), std::make_shared<Transcript>());
  };
  EXPECT_THAT(refusal([](auto& r) { r.input = std::vector<int32_t>{}; }).ToString(),
              HasSubstr("prompt is empty"));
  EXPECT_THAT(refusal([](auto& r) {
                r.input = std::vector<int32_t>{1, 1 << 20};
              }).ToString(),
              HasSubstr("token_ids[1]"));
  EXPECT_THAT(refusal([](auto& r) { r.input = std::vector<int32_t>(100000, 1); }).ToString(),
              HasSubstr("the context holds"));
  EXPECT_THAT(refusal([](auto& r) { r.sampling.temperature = -1; }).ToString(),
              HasSubstr("sampling.temperature"));
  EXPECT_THAT(refusal([](auto& r) { r.model = "other"; }).ToString(), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(refusal([](auto& r) { r.policies["magic"]; }).ToString(), HasSubstr("UNIMPLEMENTED"));
  EXPECT_THAT(refusal([](auto& r) { r.policies["ngram"]["min_n"] = int64_t{0}; }).ToString(),
              HasSubstr("ngram.min_n"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      refusal([](auto& r) { r.deadline = std::chrono::steady_clock::now(); })));
}

TEST_F(Engines, ALiveRequestIdIsRefused) {
  const auto told = ask(engine(), token_request("twice", prompt(), 100000));
  const absl::Status again =
      engine().submit(token_request("twice", prompt(), 1), std::make_shared<Transcript>());
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_TRUE(engine().cancel("twice").ok());
  told->wait();
}

TEST_F(Engines, DrainingRefusesNewWorkAndFinishesTheOld) {
  EngineConfig config = engine_config(golden_folder("llama_plain"));
  const auto own = start(config);
  const auto told = ask(*own, token_request("a", prompt(), 30));
  own->drain(std::chrono::steady_clock::now() + std::chrono::seconds(60));
  told->wait();
  EXPECT_TRUE(told->failure().ok());
  EXPECT_EQ(told->outputs()[0].token_count, 30);
  EXPECT_TRUE(absl::IsUnavailable(
      own->submit(token_request("b", prompt(), 1), std::make_shared<Transcript>())));
}

TEST_F(Engines, TheQueueIsBounded) {
  EngineConfig config = engine_config(golden_folder("llama_plain"));
  config.schedule.queue_requests_max = 2;
  config.schedule.seqs_max = 1;
  const auto own = start(config);
  std::vector<std::shared_ptr<Transcript>> told;
  int refused = 0;
  for (int which = 0; which < 12; ++which) {
    auto transcript = std::make_shared<Transcript>();
    const absl::Status status =
        own->submit(token_request(std::to_string(which), prompt(), 40), transcript);
    if (status.ok()) {
      told.push_back(transcript);
    } else {
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  for (const auto& transcript : told) transcript->wait();
}

TEST_F(Engines, BadModelsAndSettingsAreRefused) {
  EngineConfig config = engine_config("/nonexistent");
  EXPECT_FALSE(Engine::create(config, nullptr).ok());
  config = engine_config(golden_folder("llama_plain"));
  config.device.ranks = 3;
  EXPECT_THAT(Engine::create(config, nullptr).status().ToString(), HasSubstr("cannot be divided"));
  config = engine_config(golden_folder("llama_plain"));
  config.proposer.kind = "telepathy";
  EXPECT_THAT(Engine::create(config, nullptr).status().ToString(), HasSubstr("telepathy"));
  config = engine_config(golden_folder("llama_plain"));
  config.kv_cache.blocks = 1;
  EXPECT_THAT(Engine::create(config, nullptr).status().ToString(), HasSubstr("kv_cache"));
}

}  // namespace
}  // namespace tessera
