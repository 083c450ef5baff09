// Bits never depend on company: the same requests give bit-equal tokens and log-probabilities
// whatever runs beside them and however the engine is set up.
#include <functional>
#include <random>
#include <thread>

#include "support/engine_rig.h"

namespace tessera {
namespace {

constexpr int kRequests = 200;

struct Case {
  TextRequest request;
  int64_t cancel_after = -1;  // tokens; -1 = runs to its end
};

std::vector<Case> random_cases(int vocab_size) {
  std::mt19937 random(11);
  const auto below = [&](int bound) { return static_cast<int>(random() % bound); };
  // A few prefixes are shared, so that the prefix cache has something to find.
  std::vector<std::vector<int32_t>> prefixes(4);
  for (auto& prefix : prefixes) {
    for (int at = 0; at < 48; ++at) prefix.push_back(below(vocab_size));
  }
  std::vector<Case> cases;
  for (int which = 0; which < kRequests; ++which) {
    std::vector<int32_t> prompt;
    if (which % 2 == 0) prompt = prefixes[which / 2 % prefixes.size()];
    for (int more = 1 + below(which % 10 == 0 ? 90 : 30); more > 0; --more) {
      prompt.push_back(below(vocab_size));
    }
    // Repeats give the proposer something to propose.
    if (which % 3 == 0) {
      const std::vector<int32_t> again = prompt;
      prompt.insert(prompt.end(), again.begin(), again.end());
    }
    Case one;
    one.request = token_request(std::to_string(which), prompt, 2 + below(24));
    if (which % 4 != 0) {
      one.request.sampling.temperature = 0.5 + 0.1 * below(8);
      one.request.sampling.seed = random();
      if (which % 5 == 0) one.request.sampling.top_p = 0.8;
      if (which % 7 == 0) one.request.sampling.top_k = 20;
      if (which % 6 == 0) one.request.sampling.repetition_penalty = 1.2;
      if (which % 8 == 0) one.request.sampling.frequency_penalty = 0.5;
    }
    if (which % 20 == 7) one.request.sampling.n = 2;
    if (which % 16 == 5) one.cancel_after = 1 + below(4);
    cases.push_back(std::move(one));
  }
  return cases;
}

using Answers = std::vector<std::vector<Transcript::Output>>;

Answers run_alone(Engine& engine, const std::vector<Case>& cases) {
  Answers answers;
  for (const Case& one : cases) {
    const auto told = ask(engine, one.request);
    told->wait();
    answers.push_back(told->outputs());
  }
  return answers;
}

// What happened besides, so that a test can tell that it tested what it says.
struct Happened {
  int64_t preemptions = 0, cached_tokens = 0, drafts = 0, accepted_drafts = 0, cancelled = 0;
};

void expect_same_together(Engine& engine, const std::vector<Case>& cases, const Answers& alone,
                          Happened& happened) {
  std::vector<std::shared_ptr<Transcript>> told;
  for (const Case& one : cases) told.push_back(ask(engine, one.request));
  for (size_t which = 0; which < cases.size(); ++which) {
    if (cases[which].cancel_after < 0) continue;
    told[which]->wait_for_tokens(cases[which].cancel_after);
    (void)engine.cancel(cases[which].request.id);  // it may have ended already
  }
  for (size_t which = 0; which < cases.size(); ++which) {
    told[which]->wait();
    const bool cancelled = !told[which]->failure().ok();
    happened.cancelled += cancelled;
    happened.preemptions += told[which]->timings().preemptions;
    happened.cached_tokens += told[which]->usage().cached_prompt_tokens;
    happened.drafts += told[which]->usage().draft_tokens;
    happened.accepted_drafts += told[which]->usage().accepted_draft_tokens;
    if (cancelled) {
      ASSERT_TRUE(absl::IsCancelled(told[which]->failure()));
    }
    for (size_t index = 0; index < told[which]->outputs().size(); ++index) {
      auto found = told[which]->outputs()[index].tokens;
      auto wanted = alone[which][index].tokens;
      ASSERT_LE(found.size(), wanted.size());
      if (cancelled) wanted.resize(found.size());
      ASSERT_EQ(found.size(), wanted.size());
      for (size_t at = 0; at < found.size(); ++at) {
        ASSERT_EQ(found[at].id, wanted[at].id) << "request " << which << " token " << at;
        ASSERT_EQ(found[at].logprob, wanted[at].logprob) << "request " << which << " token " << at;
      }
    }
  }
  for (int tries = 0; tries < 500 && engine.load().blocks_used > 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(engine.load().blocks_used, 0) << "KV blocks leaked";
}

EngineConfig base_config() {
  EngineConfig config = engine_config(golden_folder("llama_plain"));
  config.schedule.queue_requests_max = 1000;
  config.device.threads = 1;
  return config;
}

class Invariance : public testing::Test {
 protected:
  static const std::vector<Case>& cases() {
    static const std::vector<Case> made = random_cases(260);
    return made;
  }
  // One at a time, one thread, whole prompts, no prefix cache, no speculation.
  static const Answers& alone() {
    static const Answers answers = [] {
      EngineConfig config = base_config();
      config.kv_cache.prefix_caching = false;
      config.schedule.tokens_per_step = 512;
      const auto engine = start(config);
      return run_alone(*engine, cases());
    }();
    return answers;
  }
  static Happened check(const std::function<void(EngineConfig&)>& change) {
    Happened happened;
    run(change, happened);
    EXPECT_GT(happened.cancelled, 0);
    return happened;
  }

 private:
  static void run(const std::function<void(EngineConfig&)>& change, Happened& happened) {
    EngineConfig config = base_config();
    change(config);
    const auto engine = start(config);
    ASSERT_NE(engine, nullptr);
    expect_same_together(*engine, cases(), alone(), happened);
  }
};

TEST_F(Invariance, ChunksOf1) {
  check([](auto& c) { c.schedule.tokens_per_step = 1; });
}
TEST_F(Invariance, ChunksOf7) {
  check([](auto& c) { c.schedule.tokens_per_step = 7; });
}
TEST_F(Invariance, ChunksOf64) {
  EXPECT_GT(check([](auto& c) { c.schedule.tokens_per_step = 64; }).cached_tokens, 0);
}
TEST_F(Invariance, ChunksOf512) {
  check([](auto& c) { c.schedule.tokens_per_step = 512; });
}
TEST_F(Invariance, WithoutPrefixCache) {
  EXPECT_EQ(check([](auto& c) { c.kv_cache.prefix_caching = false; }).cached_tokens, 0);
}
TEST_F(Invariance, TwoThreads) {
  check([](auto& c) { c.device.threads = 2; });
}
TEST_F(Invariance, PreemptedByASmallPool) {
  EXPECT_GT(check([](auto& c) { c.kv_cache.blocks = 24; }).preemptions, 0);
}
TEST_F(Invariance, TwoStepsInFlight) {
  check([](auto& c) { c.schedule.steps_in_flight = 2; });
}
TEST_F(Invariance, TwoStepsInFlightInASmallPool) {
  const Happened happened = check([](auto& c) {
    c.schedule.steps_in_flight = 2;
    c.kv_cache.blocks = 24;
  });
  EXPECT_GT(happened.preemptions, 0);
}
TEST_F(Invariance, Speculated) {
  const Happened happened = check([](auto& c) { c.proposer.kind = "ngram"; });
  EXPECT_GT(happened.accepted_drafts, 0);
  EXPECT_GT(happened.drafts, happened.accepted_drafts);
}
TEST_F(Invariance, SpeculatedWithTwoStepsInFlightInASmallPool) {
  const Happened happened = check([](auto& c) {
    c.proposer.kind = "ngram";
    c.schedule.steps_in_flight = 2;
    c.kv_cache.blocks = 24;
  });
  EXPECT_GT(happened.drafts, 0);
  EXPECT_GT(happened.preemptions, 0);
}
TEST_F(Invariance, Avx2) {
  check([](auto& c) { c.device.isa = "avx2"; });
}
TEST_F(Invariance, Scalar) {
  check([](auto& c) { c.device.isa = "scalar"; });
}
TEST_F(Invariance, ReferenceKernels) {
  check([](auto& c) { c.device.backend = "reference"; });
}

}  // namespace
}  // namespace tessera
