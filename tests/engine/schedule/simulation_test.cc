// Random worlds, 100,000 steps in all: nobody is lost, nothing leaks, no rule breaks, and everyone
// gets the tokens they would get alone.
#include <gtest/gtest.h>

#include <cstdio>

#include "absl/strings/str_join.h"
#include "engine/schedule/simulated_engine.h"

namespace tessera {
namespace {

// Sanitizers cost a factor of ten to twenty.
#ifdef TESSERA_DEBUG
constexpr int64_t kShare = 20;
#else
constexpr int64_t kShare = 1;
#endif

const GroupSpec kFull{};
const GroupSpec kWindow{.window_tokens = 24};
const GroupSpec kSinkWindow{.window_tokens = 20, .sink_tokens = 5};
const GroupSpec kStrided{
    .window_tokens = 33, .sink_tokens = 1, .block_stride = 3, .block_tokens = 16};

LedgerShape shape(std::vector<GroupSpec> groups, std::vector<int64_t> blocks) {
  return {.cache = {.groups = std::move(groups), .blocks = std::move(blocks)}};
}

SimulationOptions everything() {
  SimulationOptions options;
  options.fork_share = 0.2;
  options.cancel_share = 0.15;
  options.deadline_share = 0.1;
  options.draft_share = 0.3;
  options.best_effort_share = 0.2;
  options.limits = {.tokens_per_step = 48, .seqs_max = 8};
  options.steps = 10000 / kShare;
  return options;
}

class Simulation : public testing::TestWithParam<SimulationOptions> {};

TEST_P(Simulation, KeepsEveryRule) {
  const SimulationOptions& options = GetParam();
  const SimulationTotals totals = SimulatedEngine(options).run();
  EXPECT_EQ(absl::StrJoin(totals.wrong, "\n"), "");
  EXPECT_GE(totals.steps, options.steps);
  EXPECT_GT(totals.finished, options.steps / 10);
  EXPECT_GT(totals.preemptions, options.crowded ? options.steps / 50 : 0);
  EXPECT_GT(totals.state_copies, options.stateful ? options.steps / 200 : -1);
  // Nobody of the latency class starves. Busy phases last 400 steps and ask for more than there is.
  EXPECT_LT(totals.longest_wait_steps, 400);
  std::printf(
      "steps %ld finished %ld cancelled %ld expired %ld failed %ld preemptions %ld cached %ld "
      "copies %ld surplus %ld drafts %ld accepted %ld forks %ld imports %ld pins %ld longest wait "
      "%ld state copies %ld\n",
      totals.steps, totals.finished, totals.cancelled, totals.expired, totals.failed,
      totals.preemptions, totals.cached_tokens, totals.copies, totals.surplus_rows, totals.drafts,
      totals.accepted, totals.forks, totals.imports, totals.pins, totals.longest_wait_steps,
      totals.state_copies);
}

std::vector<SimulationOptions> worlds() {
  std::vector<SimulationOptions> all;
  const auto add = [&](std::string name, LedgerShape ledger, int in_flight, auto change) {
    SimulationOptions options = everything();
    options.name = std::move(name);
    options.shape = std::move(ledger);
    options.steps_in_flight = in_flight;
    options.seed = all.size() + 1;
    change(options);
    all.push_back(std::move(options));
  };
  const auto nothing = [](SimulationOptions&) {};
  const auto crowded = [](SimulationOptions& options) { options.crowded = true; };
  add("full", shape({kFull}, {200}), 1, nothing);
  add("full_two_in_flight", shape({kFull}, {200}), 2, nothing);
  add("small_pool", shape({kFull}, {14}), 1, crowded);
  add("small_pool_two_in_flight", shape({kFull}, {14}), 2, crowded);
  add("window", shape({kFull, kWindow}, {30, 20}), 1, nothing);
  add("only_windows", shape({kSinkWindow, kStrided}, {24, 40}), 2, nothing);
  add("layer_skip", shape({kFull, kStrided, kFull}, {40, 40, 24}), 2,
      [](SimulationOptions& options) { options.skip_share = 0.5; });
  add("transfers", shape({kFull, kWindow}, {30, 20}), 2,
      [](SimulationOptions& options) { options.transfer_share = 0.3; });
  add("fcfs_no_drafts", shape({kFull}, {16}), 2, [](SimulationOptions& options) {
    options.order = "fcfs";
    options.draft_share = 0;
  });
  add("no_prefix_cache", shape({kFull, kSinkWindow}, {20, 20}), 1,
      [](SimulationOptions& options) { options.shape.prefix_caching = false; });
  add("state", shape({}, {}), 1, [](SimulationOptions& options) {
    options.shape.state_slots = 12;
    options.stateful = true;
  });
  add("few_state_slots", shape({}, {}), 2, [](SimulationOptions& options) {
    options.shape.state_slots = 6;
    options.transfer_share = 0.2;
    options.stateful = true;
  });
  add("state_beside_pages", shape({kFull, kWindow}, {24, 16}), 2, [](SimulationOptions& options) {
    options.shape.state_slots = 10;
    options.transfer_share = 0.1;
    options.skip_share = 0.2;
    options.stateful = options.crowded = true;
  });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Worlds, Simulation, testing::ValuesIn(worlds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera
