// The same requests alone and in company: what each was told must be the same, bit for bit.
#pragma once

#include <functional>
#include <random>
#include <thread>

#include "support/engine_rig.h"
#include "support/golden.h"

namespace tessera {

using Change = std::function<void(EngineConfig&)>;

inline EngineConfig config_of(const std::string& model, const Change& change) {
  EngineConfig config = engine_config(golden_folder(model));
  config.schedule.queue_requests_max = 1000;
  change(config);
  return config;
}

inline std::vector<TextRequest> requests_of(const std::string& model, int count, int64_t tokens) {
  std::vector<TextRequest> requests;
  for (int which = 0; which < count; ++which) {
    std::vector<int32_t> ids = read_golden(golden_folder(model), which % 2).ids;
    ids.resize(ids.size() - static_cast<size_t>(which * 3 % 30));
    TextRequest request = token_request(std::to_string(which), ids, tokens + which % 5);
    if (which % 3 == 0) {
      request.sampling.temperature = 0.9;
      request.sampling.seed = 100 + which;
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

using Told = std::vector<std::shared_ptr<Transcript>>;

inline Told run(Engine& engine, const std::vector<TextRequest>& requests, bool together) {
  Told told;
  for (const TextRequest& request : requests) {
    told.push_back(ask(engine, request));
    if (!together) told.back()->wait();
  }
  for (const auto& one : told) {
    one->wait();
    EXPECT_TRUE(one->failure().ok()) << one->failure();
  }
  return told;
}

inline void expect_nothing_held(Engine& engine) {
  const auto held = [&] { return engine.load().blocks_used + engine.load().state_slots_used; };
  for (int tries = 0; tries < 500 && held() > 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(held(), 0) << "KV blocks or state slots leaked";
  EXPECT_EQ(engine.load().running + engine.load().waiting, 0);
}

inline void expect_equal_bits(const Told& a, const Told& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t which = 0; which < a.size(); ++which) {
    EXPECT_EQ(a[which]->outputs()[0].tokens, b[which]->outputs()[0].tokens) << which;
  }
}

inline bool any_differs(const Told& a, const Told& b) {
  for (size_t which = 0; which < a.size(); ++which) {
    if (!(a[which]->outputs()[0].tokens == b[which]->outputs()[0].tokens)) return true;
  }
  return false;
}

struct Case {
  TextRequest request;
  int64_t cancel_after = -1;  // tokens; -1 = runs to its end
};

inline std::vector<Case> random_cases(int vocab_size, int count) {
  std::mt19937 random(11);
  const auto below = [&](int bound) { return static_cast<int>(random() % bound); };
  // A few prefixes are shared, so that the prefix cache has something to find.
  std::vector<std::vector<int32_t>> prefixes(4);
  for (auto& prefix : prefixes) {
    for (int at = 0; at < 48; ++at) prefix.push_back(below(vocab_size));
  }
  std::vector<Case> cases;
  for (int which = 0; which < count; ++which) {
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

inline Answers run_alone(Engine& engine, const std::vector<Case>& cases) {
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

inline void expect_same_together(Engine& engine, const std::vector<Case>& cases,
                                 const Answers& alone, Happened& happened) {
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
  expect_nothing_held(engine);
}

// Random requests to one model with their answers: one at a time, one thread, whole prompts, no
// prefix cache, no speculation.
class Company {
 public:
  Company(const std::string& model, int requests)
      : model_(model), cases_(random_cases(260, requests)) {
    const auto engine = start(changed([](EngineConfig& config) {
      config.kv_cache.prefix_caching = false;
      config.schedule.tokens_per_step = 512;
    }));
    alone_ = run_alone(*engine, cases_);
  }

  // All at once on an engine set up in another way.
  Happened check(const Change& change) const {
    Happened happened;
    const auto engine = start(changed(change));
    if (engine != nullptr) expect_same_together(*engine, cases_, alone_, happened);
    EXPECT_GT(happened.cancelled, 0);
    return happened;
  }

 private:
  EngineConfig changed(const Change& change) const {
    return config_of(model_, [&](EngineConfig& config) {
      config.device.threads = 1;
      change(config);
    });
  }

  std::string model_;
  std::vector<Case> cases_;
  Answers alone_;
};

}  // namespace tessera
