// The plugs that prove what the core offers, each through a whole engine: tensor-parallel ranks,
// layer skipping, sparse attention. Neutral settings are bit-identical to not having them; lossy
// ones give the same bits alone and in company.
#include <cmath>
#include <functional>

#include "support/company.h"

namespace tessera {
namespace {

struct RankCase {
  const char* model;
  int ranks;
};
class Ranks : public testing::TestWithParam<RankCase> {};

TEST_P(Ranks, AreDeterministicAndCloseToOne) {
  const auto [model, ranks] = GetParam();
  const auto requests = requests_of(model, 12, 8);
  const auto one = start(config_of(model, [](auto& c) { c.model.dtype = "f32"; }));
  const auto many = start(config_of(model, [&](auto& c) {
    c.model.dtype = "f32";
    c.device.ranks = ranks;
  }));
  ASSERT_NE(many, nullptr);
  const Told single = run(*one, requests, true);
  const Told first = run(*many, requests, true), second = run(*many, requests, false);
  expect_equal_bits(first, second);
  for (size_t which = 0; which < requests.size(); ++which) {
    const auto& wanted = single[which]->outputs()[0].tokens;
    const auto& found = first[which]->outputs()[0].tokens;
    ASSERT_EQ(wanted.size(), found.size());
    for (size_t at = 0; at < wanted.size(); ++at) {
      ASSERT_EQ(wanted[at].id, found[at].id) << which << " " << at;
      ASSERT_NEAR(wanted[at].logprob, found[at].logprob, 1e-3);
    }
  }
}

// The second pair has one KV head, which every rank then holds.
INSTANTIATE_TEST_SUITE_P(Models, Ranks,
                         testing::Values(RankCase{"llama_plain", 2}, RankCase{"llama_plain", 4},
                                         RankCase{"llama_llama3_renewed", 2},
                                         RankCase{"llama_llama3_renewed", 4},
                                         RankCase{"mistral_nemo", 2}));

TEST(RanksInBf16, BitsDoNotDependOnCompany) {
  const auto engine = start(config_of("llama_plain", [](auto& c) { c.device.ranks = 2; }));
  const auto requests = requests_of("llama_plain", 20, 10);
  expect_equal_bits(run(*engine, requests, false), run(*engine, requests, true));
}

std::vector<TextRequest> with_layer_skip(std::vector<TextRequest> requests, double speedup,
                                         int every) {
  for (size_t which = 0; which < requests.size(); which += every) {
    requests[which].policies["layer_skip"]["speedup"] = speedup;
  }
  return requests;
}

TEST(LayerSkipEngine, NeutralSettingIsBitIdentical) {
  const auto engine = start(config_of("qwen3_layer_types", [](auto&) {}));
  const auto plain = requests_of("qwen3_layer_types", 10, 12);
  expect_equal_bits(run(*engine, plain, true), run(*engine, with_layer_skip(plain, 1, 1), true));
}

TEST(LayerSkipEngine, MixedVerdictsInABatchEqualEachAlone) {
  const auto engine = start(config_of("qwen3_layer_types", [](auto&) {}));
  const auto plain = requests_of("qwen3_layer_types", 18, 12);
  const auto mixed = with_layer_skip(plain, 1.5, 2);
  const Told alone = run(*engine, mixed, false);
  expect_equal_bits(alone, run(*engine, mixed, true));
  EXPECT_TRUE(any_differs(alone, run(*engine, plain, true))) << "skipping layers changed nothing";
}

TEST(LayerSkipEngine, AsManyVerdictsAsRequestsFitInABatch) {
  const auto engine = start(config_of("qwen3_layer_types", [](auto&) {}));
  auto requests = requests_of("qwen3_layer_types", 16, 12);
  for (size_t which = 0; which < requests.size(); ++which) {
    requests[which].policies["layer_skip"]["speedup"] = 1.0 + 0.2 * static_cast<double>(which);
    for (int32_t id = 0; id < 200; ++id) requests[which].sampling.logit_bias[id] = 0.25;
  }
  expect_equal_bits(run(*engine, requests, false), run(*engine, requests, true));
}

TEST(LayerSkipEngine, DeploymentWideItFreesPagesAndSurvivesPreemption) {
  const auto config = [](int64_t blocks) {
    return config_of("qwen3_layer_types", [&](auto& c) {
      c.branch_policy = {"layer_skip", {{"speedup", 1.5}}};
      c.kv_cache.blocks = blocks;
    });
  };
  const auto roomy = start(config(512)), tight = start(config(20));
  const auto requests = requests_of("qwen3_layer_types", 16, 40);
  const Told alone = run(*roomy, requests, false);
  const Told preempted = run(*tight, requests, true);
  expect_equal_bits(alone, preempted);
  int preemptions = 0;
  for (const auto& told : preempted) preemptions += told->timings().preemptions;
  EXPECT_GT(preemptions, 0);
}

Change longgen(int64_t window, int64_t sink, int64_t stride) {
  return [=](EngineConfig& config) {
    config.attention = {"longgen",
                        {{"window", window},
                         {"sink", sink},
                         {"block_stride", stride},
                         {"block_tokens", int64_t{16}},
                         {"full_fraction", 0.5}}};
  };
}

TEST(LongGenEngine, AWindowBeyondTheContextIsBitIdentical) {
  const auto requests = requests_of("llama_plain", 8, 12);
  const auto plain = start(config_of("llama_plain", [](auto&) {}));
  const auto wide = start(config_of("llama_plain", longgen(4096, 0, 0)));
  expect_equal_bits(run(*plain, requests, true), run(*wide, requests, true));
}

TEST(LongGenEngine, SparseLayersGiveTheSameBitsInCompanyInChunksAndFromTheCache) {
  const auto requests = requests_of("llama_plain", 14, 20);
  for (int64_t stride : {0, 3}) {
    const auto whole = start(config_of("llama_plain", longgen(16, 8, stride)));
    const Told alone = run(*whole, requests, false);
    expect_equal_bits(alone, run(*whole, requests, true));
    const auto chunked = start(config_of("llama_plain", [&](EngineConfig& config) {
      longgen(16, 8, stride)(config);
      config.schedule.tokens_per_step = 7;
      config.kv_cache.prefix_caching = false;
      config.kv_cache.blocks = 40;
    }));
    expect_equal_bits(alone, run(*chunked, requests, true));
    const auto plain = start(config_of("llama_plain", [](auto&) {}));
    EXPECT_TRUE(any_differs(alone, run(*plain, requests, true))) << "the mask changed nothing";
  }
}

TEST(LongGenEngine, AModelWithWindowsOfItsOwnIsRefused) {
  const auto engine = Engine::create(config_of("mistral_window", longgen(64, 0, 0)), nullptr);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.status().ToString().find("window of its own"), std::string::npos);
}

TEST(HandOff, TheContinuationHasTheBitsOfOneEngine) {
  for (const char* model : {"llama_plain", "mistral_window"}) {
    const auto requests = requests_of(model, 20, 16);
    const auto one = start(config_of(model, [](auto&) {}));
    const Told alone = run(*one, requests, false);
    for (const int ranks : {1, 2}) {
      const auto pair = start(config_of(model, [&](auto& c) {
        c.hand_off_prefill_threshold_tokens = 30;
        c.schedule.tokens_per_step = 16;
        c.device.ranks = ranks;
      }));
      ASSERT_NE(pair, nullptr);
      const Told told = run(*pair, requests, true);
      if (ranks == 1) {
        expect_equal_bits(alone, told);
      } else {
        expect_equal_bits(told, run(*pair, requests, false));
      }
      expect_nothing_held(*pair);
    }
  }
}

TEST(HandOff, AReceiverWithoutRoomMakesTheTransferWait) {
  const auto requests = requests_of("llama_plain", 24, 24);
  const auto one = start(config_of("llama_plain", [](auto&) {}));
  const auto pair = start(config_of("llama_plain", [](auto& c) {
    c.hand_off_prefill_threshold_tokens = 1;
    c.kv_cache.blocks = 20;
  }));
  expect_equal_bits(run(*one, requests, false), run(*pair, requests, true));
}

TEST(HandOff, CancellingOnTheWayEndsTheRequest) {
  const auto pair = start(config_of("llama_plain", [](auto& c) {
    c.hand_off_prefill_threshold_tokens = 1;
    c.kv_cache.blocks = 24;
  }));
  auto requests = requests_of("llama_plain", 30, 60);
  Told told;
  for (const TextRequest& request : requests) told.push_back(ask(*pair, request));
  for (size_t which = 0; which < told.size(); ++which) {
    if (which % 3 == 0) (void)pair->cancel(requests[which].id);
  }
  for (const auto& one : told) one->wait();
  expect_nothing_held(*pair);
}

}  // namespace
}  // namespace tessera
