// Bits never depend on company: the same requests give bit-equal tokens and log-probabilities
// whatever runs beside them and however the engine is set up.
#include "support/company.h"

namespace tessera {
namespace {

Happened check(const Change& change) {
  static const Company company("llama_plain", 200);
  return company.check(change);
}

TEST(Invariance, ChunksOf1) {
  check([](auto& c) { c.schedule.tokens_per_step = 1; });
}
TEST(Invariance, ChunksOf7) {
  check([](auto& c) { c.schedule.tokens_per_step = 7; });
}
TEST(Invariance, ChunksOf64) {
  EXPECT_GT(check([](auto& c) { c.schedule.tokens_per_step = 64; }).cached_tokens, 0);
}
TEST(Invariance, ChunksOf512) {
  check([](auto& c) { c.schedule.tokens_per_step = 512; });
}
TEST(Invariance, WithoutPrefixCache) {
  EXPECT_EQ(check([](auto& c) { c.kv_cache.prefix_caching = false; }).cached_tokens, 0);
}
TEST(Invariance, TwoThreads) {
  check([](auto& c) { c.device.threads = 2; });
}
TEST(Invariance, PreemptedByASmallPool) {
  EXPECT_GT(check([](auto& c) { c.kv_cache.blocks = 24; }).preemptions, 0);
}
TEST(Invariance, TwoStepsInFlight) {
  check([](auto& c) { c.schedule.steps_in_flight = 2; });
}
TEST(Invariance, TwoStepsInFlightInASmallPool) {
  const Happened happened = check([](auto& c) {
    c.schedule.steps_in_flight = 2;
    c.kv_cache.blocks = 24;
  });
  EXPECT_GT(happened.preemptions, 0);
}
TEST(Invariance, Speculated) {
  const Happened happened = check([](auto& c) { c.proposer.kind = "ngram"; });
  EXPECT_GT(happened.accepted_drafts, 0);
  EXPECT_GT(happened.drafts, happened.accepted_drafts);
}
TEST(Invariance, SpeculatedWithTwoStepsInFlightInASmallPool) {
  const Happened happened = check([](auto& c) {
    c.proposer.kind = "ngram";
    c.schedule.steps_in_flight = 2;
    c.kv_cache.blocks = 24;
  });
  EXPECT_GT(happened.drafts, 0);
  EXPECT_GT(happened.preemptions, 0);
}
TEST(Invariance, Avx2) {
  check([](auto& c) { c.device.isa = "avx2"; });
}
TEST(Invariance, Scalar) {
  check([](auto& c) { c.device.isa = "scalar"; });
}
TEST(Invariance, ReferenceKernels) {
  check([](auto& c) { c.device.backend = "reference"; });
}

}  // namespace
}  // namespace tessera
