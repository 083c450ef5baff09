// A model of constant state served as a user serves it: tesserad on the folder, tessera as client.
#include <sstream>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "support/daemon.h"
#include "support/golden.h"

namespace tessera {
namespace {

using testing::HasSubstr;

const std::string kFolder = TESSERA_SOURCE_DIR "/tests/golden/models/recurrent_plain";

Daemon daemon_with(std::vector<std::string> settings) {
  Daemon daemon(kFolder);
  for (std::string& one : settings) {
    daemon.command.insert(daemon.command.end(), {"--set", std::move(one)});
  }
  return daemon;
}

std::vector<std::string> generate(const Daemon& daemon, const std::vector<int32_t>& ids,
                                  int64_t tokens, std::vector<std::string> more = {}) {
  std::string text;
  for (const int32_t id : ids) {
    if (!text.empty()) text += ',';
    text += std::to_string(id);
  }
  std::vector<std::string> arguments = {"--token-ids",
                                        text,
                                        "--max-tokens",
                                        std::to_string(tokens),
                                        "--ignore-eos",
                                        "--json",
                                        "--show-token-ids",
                                        "--temperature",
                                        "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return client(daemon, "generate", arguments);
}

struct Answer {
  std::vector<std::vector<int32_t>> outputs;
  nlohmann::json usage;
};

// What the client printed, event by event.
Answer answer_of(ChildProcess& process) {
  EXPECT_EQ(process.wait(), 0) << process.err();
  Answer answer;
  std::istringstream lines(process.out());
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json event = nlohmann::json::parse(line);
    if (event["event"] == "completed") answer.usage = event["usage"];
    if (event["event"] != "delta") continue;
    const size_t index = event["output_index"];
    if (answer.outputs.size() <= index) answer.outputs.resize(index + 1);
    for (const auto& token : event["tokens"]) answer.outputs[index].push_back(token["id"]);
  }
  return answer;
}

std::string status_of(const Daemon& daemon) {
  ChildProcess status(client(daemon, "status", {"--metrics-address", daemon.metrics_address}));
  EXPECT_EQ(status.wait(), 0) << status.err();
  return status.out();
}

TEST(RecurrentDaemon, ServesSpeculatesForksAndGivesEverySlotBack) {
  const GoldenPrompt golden = read_golden(kFolder, 1);
  const Daemon daemon = daemon_with({"model.dtype=f32", "kv_cache.state_slots=12"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: ")) << server.err();
  EXPECT_THAT(server.err(), HasSubstr("prefix caching: off"));

  const int64_t tokens = static_cast<int64_t>(golden.greedy.size());
  ChildProcess plain(generate(daemon, golden.ids, tokens));
  ChildProcess long_one(generate(daemon, golden.ids, 120));
  ChildProcess speculated(generate(daemon, golden.ids, 120, {"--policy", "ngram"}));
  ChildProcess forked(generate(daemon, golden.ids, tokens, {"--n", "3"}));
  const Answer told = answer_of(plain), all = answer_of(long_one), drafted = answer_of(speculated);
  EXPECT_EQ(told.outputs, std::vector<std::vector<int32_t>>{golden.greedy});
  EXPECT_EQ(drafted.outputs, all.outputs);
  // How many drafts pay depends on how long steps take on this machine just now.
  EXPECT_GE(drafted.usage["draft_tokens"], drafted.usage["accepted_draft_tokens"]);
  Answer again = drafted;
  for (int tries = 0; tries < 20 && again.usage["accepted_draft_tokens"] == 0; ++tries) {
    ChildProcess repeated(generate(daemon, golden.ids, 120, {"--policy", "ngram"}));
    again = answer_of(repeated);
    EXPECT_EQ(again.outputs, all.outputs);
  }
  EXPECT_GT(again.usage["accepted_draft_tokens"], 0);
  EXPECT_EQ(answer_of(forked).outputs, std::vector<std::vector<int32_t>>(3, golden.greedy));

  ChildProcess endless(generate(daemon, golden.ids, 100000, {"--policy", "ngram"}));
  ASSERT_TRUE(endless.wait_for_out("delta"));
  EXPECT_THAT(status_of(daemon), HasSubstr(" of 12 used"));
  endless.signal(SIGINT);
  EXPECT_EQ(endless.wait(), 130);
  std::string status;
  for (int tries = 0; tries < 200 && status.find("states: 0 of 12") == std::string::npos; ++tries) {
    status = status_of(daemon);
  }
  EXPECT_THAT(status, HasSubstr("states: 0 of 12 used"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(RecurrentDaemon, HandsStatesFromOneEngineToTheOther) {
  const GoldenPrompt golden = read_golden(kFolder, 0);
  const Daemon daemon = daemon_with(
      {"model.dtype=f32", "schedule.hand_off_prefill_threshold_tokens=8", "device.ranks=2"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: ")) << server.err();
  ChildProcess one(generate(daemon, golden.ids, static_cast<int64_t>(golden.greedy.size())));
  EXPECT_EQ(answer_of(one).outputs, std::vector<std::vector<int32_t>>{golden.greedy});
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(RecurrentDaemon, SaysWhyItCannotStart) {
  const Daemon daemon = daemon_with({"device.ranks=5"});
  ChildProcess server(daemon.command);
  EXPECT_EQ(server.wait(), 1);
  EXPECT_THAT(server.err(), HasSubstr("state channels (72) cannot be divided among 5 ranks"));
}

}  // namespace
}  // namespace tessera
