// Models that keep a state of constant size, through a whole engine: the same bits in company, in
// chunks, speculated, preempted, forked and handed off, and every state slot comes back.
#include "gmock/gmock.h"
#include "support/company.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

constexpr const char* kModel = "recurrent_plain";

Happened check(const Change& change) {
  static const Company company(kModel, 64);
  return company.check(change);
}

TEST(Recurrent, ChunksOf1) {
  EXPECT_EQ(check([](auto& c) { c.schedule.tokens_per_step = 1; }).cached_tokens, 0);
}
TEST(Recurrent, ChunksOf7) {
  check([](auto& c) { c.schedule.tokens_per_step = 7; });
}
TEST(Recurrent, ChunksOf64OnTwoThreads) {
  check([](auto& c) { c.device.threads = 2; });
}
TEST(Recurrent, TwoStepsInFlight) {
  check([](auto& c) { c.schedule.steps_in_flight = 2; });
}
TEST(Recurrent, FewSlotsMakeRequestsWait) {
  check([](auto& c) { c.kv_cache.state_slots = 3; });
}
TEST(Recurrent, Speculated) {
  const Happened happened = check([](auto& c) { c.proposer.kind = "ngram"; });
  EXPECT_GT(happened.accepted_drafts, 0);
  EXPECT_GT(happened.drafts, happened.accepted_drafts);
}
TEST(Recurrent, SpeculatedWithTwoStepsInFlightAndFewSlots) {
  const Happened happened = check([](auto& c) {
    c.proposer.kind = "ngram";
    c.schedule.steps_in_flight = 2;
    c.schedule.tokens_per_step = 30;
    c.schedule.seqs_max = 6;
    c.kv_cache.state_slots = 9;
  });
  EXPECT_GT(happened.accepted_drafts, 0);
  EXPECT_GT(happened.drafts, happened.accepted_drafts);
}
TEST(Recurrent, Avx2) {
  check([](auto& c) { c.device.isa = "avx2"; });
}
TEST(Recurrent, ScalarSpeculated) {
  check([](auto& c) {
    c.device.isa = "scalar";
    c.proposer.kind = "ngram";
  });
}

// Background work holds every slot until requests with a client waiting take them over.
TEST(Recurrent, PreemptedStatesAreComputedAgain) {
  const auto requests = requests_of(kModel, 12, 40);
  const auto roomy = start(config_of(kModel, [](auto&) {}));
  const Told alone = run(*roomy, requests, false);
  for (const int in_flight : {1, 2}) {
    const auto tight = start(config_of(kModel, [&](EngineConfig& config) {
      config.kv_cache.state_slots = 4;
      config.schedule.steps_in_flight = in_flight;
      config.proposer.kind = in_flight == 1 ? "ngram" : "none";
    }));
    Told told;
    for (size_t which = 0; which < requests.size(); ++which) {
      TextRequest request = requests[which];
      request.best_effort = which < 4;
      told.push_back(ask(*tight, std::move(request)));
      if (which == 3) told[0]->wait_for_tokens(2);
    }
    int preemptions = 0;
    for (const auto& one : told) {
      one->wait();
      preemptions += one->timings().preemptions;
    }
    EXPECT_GT(preemptions, 0);
    expect_equal_bits(alone, told);
    expect_nothing_held(*tight);
  }
}

// With one slot every output computes the prompt itself.
TEST(Recurrent, ForksBeginWithTheStateOfThePrompt) {
  TextRequest request = requests_of(kModel, 1, 12)[0];
  request.sampling.n = 4;
  const auto single = start(config_of(kModel, [](auto& c) { c.kv_cache.state_slots = 1; }));
  const auto alone = ask(*single, request);
  alone->wait();
  ASSERT_EQ(alone->outputs().size(), 4u);
  EXPECT_NE(ids_of(alone->outputs()[0]), ids_of(alone->outputs()[1]));
  for (const int in_flight : {1, 2}) {
    for (const int slots : {0, 3}) {
      const auto engine = start(config_of(kModel, [&](EngineConfig& config) {
        config.kv_cache.state_slots = slots;
        config.schedule.steps_in_flight = in_flight;
        config.schedule.tokens_per_step = 16;
        config.proposer.kind = "ngram";
      }));
      const auto forked = ask(*engine, request);
      forked->wait();
      ASSERT_TRUE(forked->failure().ok()) << forked->failure();
      for (int index = 0; index < 4; ++index) {
        EXPECT_EQ(forked->outputs()[index].tokens, alone->outputs()[index].tokens) << index;
      }
      expect_nothing_held(*engine);
    }
  }
}

TEST(Recurrent, CancelFreesTheSlotWithinAStep) {
  const auto engine = start(config_of(kModel, [](auto& c) {
    c.kv_cache.state_slots = 6;
    c.proposer.kind = "ngram";
  }));
  EXPECT_EQ(engine->load().state_slots_total, 6);
  Told told;
  for (int which = 0; which < 8; ++which) {
    told.push_back(ask(*engine, token_request(std::to_string(which), {1, 2, 3, 1, 2, 3}, 100000)));
  }
  told[0]->wait_for_tokens(5);
  for (int which = 0; which < 8; ++which) {
    EXPECT_TRUE(engine->cancel(std::to_string(which)).ok());
  }
  for (const auto& one : told) {
    one->wait();
    EXPECT_TRUE(absl::IsCancelled(one->failure())) << one->failure();
  }
  expect_nothing_held(*engine);
}

TEST(Recurrent, RanksShareTheChannels) {
  const auto f32 = [](int ranks) {
    return start(config_of(kModel, [&](EngineConfig& config) {
      config.model.dtype = "f32";
      config.device.ranks = ranks;
      config.proposer.kind = "ngram";
    }));
  };
  const auto requests = requests_of(kModel, 8, 10);
  const Told single = run(*f32(1), requests, true);
  for (const int ranks : {2, 4}) {
    const auto many = f32(ranks);
    ASSERT_NE(many, nullptr);
    const Told first = run(*many, requests, true);
    expect_equal_bits(first, run(*many, requests, false));
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
}

TEST(Recurrent, TheStateIsHandedOff) {
  const auto requests = requests_of(kModel, 16, 16);
  const auto one = start(config_of(kModel, [](auto&) {}));
  const Told alone = run(*one, requests, false);
  for (const int slots : {0, 3}) {
    const auto pair = start(config_of(kModel, [&](EngineConfig& config) {
      config.hand_off_prefill_threshold_tokens = 30;
      config.schedule.tokens_per_step = 16;
      config.kv_cache.state_slots = slots;
    }));
    ASSERT_NE(pair, nullptr);
    expect_equal_bits(alone, run(*pair, requests, true));
    expect_nothing_held(*pair);
  }
}

// A skipped layer's state stays behind; it is never read again before the prompt is computed anew.
TEST(Recurrent, SkippedLayersGiveTheSameBitsInCompany) {
  const auto plain = requests_of(kModel, 12, 16);
  auto mixed = plain;
  for (size_t which = 0; which < mixed.size(); which += 2) {
    mixed[which].policies["layer_skip"]["speedup"] = 1.5;
  }
  const auto engine = start(config_of(kModel, [](auto&) {}));
  const Told alone = run(*engine, mixed, false);
  expect_equal_bits(alone, run(*engine, mixed, true));
  EXPECT_TRUE(any_differs(alone, run(*engine, plain, true))) << "skipping layers changed nothing";
  const auto speculated = start(config_of(kModel, [](auto& c) { c.proposer.kind = "ngram"; }));
  expect_equal_bits(alone, run(*speculated, mixed, true));
}

TEST(Recurrent, ThePlanCountsStatesAndSaysThatPrefixesAreNotCached) {
  const auto engine = start(config_of(kModel, [](auto&) {}));
  EXPECT_THAT(engine->describe(), HasSubstr("states "));
  EXPECT_THAT(engine->describe(), HasSubstr("prefix caching: off"));
  // A slot for each of the 16 sequences and each of the 64 rows of a step.
  EXPECT_THAT(engine->describe(), HasSubstr("(80 slots)"));
  const auto attending = start(config_of("llama_plain", [](auto&) {}));
  EXPECT_EQ(attending->describe().find("states"), std::string::npos);
}

TEST(Recurrent, WhatItCannotDoIsRefusedNamingTheKey) {
  const auto refusal = [](const Change& change) {
    return Engine::create(config_of(kModel, change), nullptr).status().ToString();
  };
  EXPECT_THAT(refusal([](auto& c) { c.attention = {"longgen", {}}; }), HasSubstr("attention.kind"));
  EXPECT_THAT(refusal([](auto& c) { c.device.ranks = 5; }), HasSubstr("state channels (72)"));
  EXPECT_THAT(refusal([](auto& c) { c.kv_cache.state_slots = -1; }),
              HasSubstr("kv_cache.state_slots is -1"));
  EXPECT_THAT(refusal([](auto& c) { c.kv_cache.bytes = 16; }), HasSubstr("one state slot"));
}

}  // namespace
}  // namespace tessera
