// The command line against a server in this process.
#include "tools/client/program.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/test_server.h"
#include "server/metrics/endpoint.h"
#include "tools/client/status.h"

namespace tessera {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out, err;
  const int code = run_program(arguments, in, out, err);
  return {code, out.str(), err.str()};
}

std::string address(const TestServer& server) {
  return "127.0.0.1:" + std::to_string(server.port());
}

TEST(Program, PrintsTheText) {
  TestServer server;
  server.engine.answer = say_hello;
  const Outcome result = run({"generate", "--address", address(server), "p"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "Hello world\n");
  EXPECT_EQ(result.err, "");
  const Outcome stats =
      run({"generate", "--address", address(server), "--stats", "-"}, "from stdin");
  EXPECT_THAT(stats.err, HasSubstr("output 3 tokens"));
  EXPECT_THAT(stats.err, HasSubstr("ended by stop"));
  EXPECT_EQ(std::get<std::string>(server.engine.requests().at(1).input), "from stdin");
}

TEST(Program, PrintsJsonLines) {
  TestServer server;
  server.engine.answer = say_hello;
  const Outcome result = run({"generate", "--json", "--address", address(server), "p"});
  EXPECT_EQ(result.code, 0);
  std::istringstream lines(result.out);
  std::vector<std::string> events;
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    events.push_back(json["event"]);
    text += json.value("text", "");
  }
  EXPECT_EQ(events.front(), "accepted");
  EXPECT_EQ(events.back(), "completed");
  EXPECT_EQ(text, "Hello world");
}

TEST(Program, PrintsFurtherOutputsAfterTheFirst) {
  TestServer server;
  server.engine.answer = [](FakeEngine& engine, const TextRequest& request) {
    for (const int32_t output : {1, 0, 2, 1})
      engine.post(request.id, Delta{.output_index = output,
                                    .text = std::to_string(output),
                                    .tokens = {},
                                    .token_count = 1});
    engine.post(request.id, Completed{});
  };
  const Outcome result = run({"generate", "--n", "3", "--address", address(server), "p"});
  EXPECT_EQ(result.out, "0\n--- output 1\n11\n--- output 2\n2\n");
}

TEST(Program, FailuresAreOneLineAndACode) {
  TestServer server;
  server.engine.check = [](const TextRequest&) {
    return absl::InvalidArgumentError("sampling.top_p must be in (0, 1], found 7");
  };
  const Outcome refused = run({"generate", "--address", address(server), "p"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.err, "tessera: sampling.top_p must be in (0, 1], found 7 (INVALID_ARGUMENT)\n");
  const Outcome unread = run({"generate", "--address", address(server), "\xff"});
  EXPECT_EQ(unread.code, 1);
  EXPECT_THAT(unread.err, HasSubstr("not UTF-8"));
  const Outcome usage = run({"generate"});
  EXPECT_EQ(usage.code, 2);
  EXPECT_EQ(run({"generte"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
}

TEST(Program, TimeoutIsTheDeadline) {
  TestServer server;
  const Outcome result = run({"generate", "--timeout", "0.2", "--address", address(server), "p"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST(Program, NobodyThereIsOneSentence) {
  int port;
  {
    TestServer gone;
    port = gone.port();
  }
  const std::string address = "127.0.0.1:" + std::to_string(port);
  const Outcome generate = run({"generate", "--address", address, "p"});
  EXPECT_EQ(generate.code, 1);
  EXPECT_THAT(generate.err, HasSubstr("nothing answers on " + address));
  const Outcome status = run({"status", "--address", address});
  EXPECT_EQ(status.code, 1);
  EXPECT_THAT(status.err, HasSubstr("nothing answers on " + address));
}

TEST(Program, Status) {
  TestServer server(test_config(), /*opens=*/false);
  Metrics metrics;
  metrics.add_text("tiny").follow(
      [] { return EngineLoad{.running = 3, .waiting = 4, .blocks_used = 1, .blocks_total = 4}; });
  MetricsEndpoint endpoint("127.0.0.1:0", metrics);
  ASSERT_TRUE(endpoint.start().ok());
  const std::vector<std::string> arguments{"status", "--address", address(server),
                                           "--metrics-address",
                                           "127.0.0.1:" + std::to_string(endpoint.port())};
  const Outcome loading = run(arguments);
  EXPECT_EQ(loading.code, 1);
  EXPECT_THAT(loading.out, HasSubstr("not ready"));
  server.open();
  const Outcome ready = run(arguments);
  EXPECT_EQ(ready.code, 0);
  EXPECT_THAT(ready.out, HasSubstr(": ready\nmodel: tiny\nrunning: 3, waiting: 4, KV cache: 25 %"));
  endpoint.stop();
  const Outcome without = run(arguments);
  EXPECT_EQ(without.code, 0);
  EXPECT_THAT(without.out, HasSubstr("metrics: nothing answers"));
}

TEST(Program, StatusOfDiffusionModels) {
  TestServer server;
  Metrics metrics;
  DiffusionMetrics& model = metrics.add_diffusion("dit");
  MetricsEndpoint endpoint("127.0.0.1:0", metrics);
  ASSERT_TRUE(endpoint.start().ok());
  const std::vector<std::string> arguments{"status", "--address", address(server),
                                           "--metrics-address",
                                           "127.0.0.1:" + std::to_string(endpoint.port())};
  EXPECT_THAT(run(arguments).out, HasSubstr("model: dit (loading)\n"));
  DiffusionModelInfo info;
  info.pipeline = "DiTPipeline";
  info.conditioning = "class";
  model.describe(info);
  DiffusionLoad load;
  load.running = 2;
  load.job_bytes_used = 1;
  load.job_bytes_total = 4;
  model.follow([load] { return load; });
  DenoiseReport report;
  report.computed = 3;
  report.reused = 1;
  model.on_denoise(report);
  EXPECT_THAT(
      run(arguments).out,
      HasSubstr("ready\nmodel: dit (DiTPipeline, class)\nrunning: 2, waiting: 0, job memory: "
                "25 % used, reused so far: 25 %\n"));
}

TEST(Program, HelpAndVersion) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"--version"},
                                                    {"generate", "--help"},
                                                    {"status", "--help"}}) {
    const Outcome result = run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_NE(result.out, "");
  }
}

TEST(FindMetric, ReadsLines) {
  const std::string text = "# HELP a_b x\na_b_c 5\na_b{model_name=\"m\",x=\"y\"} 7\nplain 3\n";
  EXPECT_EQ(find_metric(text, "a_b").value, "7");
  EXPECT_EQ(find_metric(text, "a_b").model_name, "m");
  EXPECT_EQ(find_metric(text, "plain").value, "3");
  EXPECT_EQ(find_metric(text, "absent").value, "");
  EXPECT_EQ(find_metric("a_b{model_name=\"", "a_b").value, "a_b{model_name=\"");
  EXPECT_EQ(find_metrics("a{x=\"1\"} 1\na{x=\"2\"} 2\n", "a").size(), 2u);
  EXPECT_EQ(find_metric("a{xy=\"1\",y=\"2\"} 1", "a").label("y"), "2");
}

}  // namespace
}  // namespace tessera
