// tesserad and tessera as a user runs them: signals, exit codes, what is printed where.
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/daemon.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Process, ServesAndEndsOnSigterm) {
  Daemon daemon;
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: ")) << server.err();
  ChildProcess generate(client(daemon, "generate", {"secret text", "--stats"}));
  EXPECT_EQ(generate.wait(), 0) << generate.err();
  EXPECT_EQ(generate.out(), "secret text\n");
  EXPECT_THAT(generate.err(), HasSubstr("output 11 tokens"));
  ChildProcess status(client(daemon, "status", {"--metrics-address", daemon.metrics_address}));
  EXPECT_EQ(status.wait(), 0) << status.err();
  EXPECT_THAT(status.out(), HasSubstr("ready\nmodel: tiny"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_THAT(server.err(), HasSubstr("stopped"));
  EXPECT_THAT(server.err(), Not(HasSubstr("secret")));
  EXPECT_EQ(server.out(), "");
  ChildProcess gone(client(daemon, "generate", {"p"}));
  EXPECT_EQ(gone.wait(), 1);
  EXPECT_THAT(gone.err(), HasSubstr("nothing answers on " + daemon.address));
}

TEST(Process, ServesDiffusionModelsBesideTextOrAlone) {
  for (const bool alone : {false, true}) {
    Daemon daemon;
    if (alone) daemon.command.erase(daemon.command.begin() + 1, daemon.command.begin() + 3);
    daemon.command.insert(daemon.command.end(),
                          {"--set",
                           "diffusion_models=[{path: /m/pictures, name: pictures}, {path: "
                           "/m/video, name: clips}, {path: /m/act, name: arm}]"});
    ChildProcess server(daemon.command);
    ASSERT_TRUE(server.wait_for_err("pictures, clips, arm on ")) << server.err();
    const std::string name = testing::TempDir() + "/process_test." + std::to_string(getpid());
    ChildProcess image(client(daemon, "image", {"--class", "3", "--out", name + ".png"}));
    EXPECT_EQ(image.wait(), 0) << image.err();
    EXPECT_EQ(image.out(), name + ".png\n");
    EXPECT_THAT(image.err(), HasSubstr("step 4 of 4\n"));
    ChildProcess video(client(daemon, "video", {"--class", "1", "--out", name}));
    EXPECT_EQ(video.wait(), 0) << video.err();
    EXPECT_EQ(video.out(), name + ": 3 files\n");
    ChildProcess act(client(daemon, "act", {"[[0.5, 1.5]]"}));
    EXPECT_EQ(act.wait(), 0) << act.err();
    EXPECT_EQ(act.out(), "[[0.5,1.5]]\n");
    ChildProcess text(client(daemon, "generate", {"abc"}));
    EXPECT_EQ(text.wait(), alone ? 1 : 0);
    EXPECT_THAT(alone ? text.err() : text.out(),
                HasSubstr(alone ? "serves no language model" : "abc\n"));
    ChildProcess status(client(daemon, "status", {"--metrics-address", daemon.metrics_address}));
    EXPECT_EQ(status.wait(), 0);
    EXPECT_THAT(status.out(), HasSubstr("model: clips ("));
    std::filesystem::remove_all(name);
    std::filesystem::remove(name + ".png");
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(), 0);
  }
}

TEST(Process, JobsAreCancelledByTheClientAndByTheEnd) {
  Daemon daemon;
  daemon.command.insert(daemon.command.end(), {"--diffusion-model", "/m/pictures", "--set",
                                               "server.drain_seconds=100ms"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: "));
  ChildProcess stopped(client(daemon, "image", {"--class", "9", "--json"}));
  ASSERT_TRUE(stopped.wait_for_out("\"step\""));
  stopped.signal(SIGINT);
  EXPECT_EQ(stopped.wait(), 130);
  ChildProcess left(client(daemon, "image", {"--class", "9", "--json"}));
  ASSERT_TRUE(left.wait_for_out("\"step\""));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_EQ(left.wait(), 1);
  EXPECT_THAT(left.err(), HasSubstr("CANCELLED"));
}

TEST(Process, RequestsAreLoggedWithoutTheirText) {
  Daemon daemon;
  daemon.command.insert(daemon.command.end(), {"--set", "logging.requests=true"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: ")) << server.err();
  ChildProcess generate(client(daemon, "generate", {"secret text", "--request-id", "mine"}));
  EXPECT_EQ(generate.wait(), 0);
  EXPECT_TRUE(server.wait_for_err("request mine completed: 11 prompt and 11 output tokens"));
  EXPECT_THAT(server.err(), Not(HasSubstr("secret")));
}

TEST(Process, DrainIsBoundedAndCancelsWhatIsLeft) {
  Daemon daemon;
  daemon.command.insert(daemon.command.end(), {"--set", "server.drain_seconds=100ms"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: "));
  ChildProcess generate(client(daemon, "generate", {"forever"}));
  ASSERT_TRUE(generate.wait_for_out("foreverforever"));
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_EQ(generate.wait(), 1);
  EXPECT_THAT(generate.err(), HasSubstr("CANCELLED"));
}

TEST(Process, SecondSignalEndsAtOnce) {
  Daemon daemon;
  daemon.command.insert(daemon.command.end(), {"--set", "server.drain_seconds=1h"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: "));
  ChildProcess generate(client(daemon, "generate", {"forever"}));
  ASSERT_TRUE(generate.wait_for_out("forever"));
  server.signal(SIGTERM);
  ASSERT_TRUE(server.wait_for_err("a second signal ends at once"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 128 + SIGTERM);
  EXPECT_EQ(generate.wait(), 1);
}

TEST(Process, CtrlCStopsTheClientAndItsRequestOnly) {
  Daemon daemon;
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: "));
  ChildProcess generate(client(daemon, "generate", {"forever"}));
  ASSERT_TRUE(generate.wait_for_out("forever"));
  generate.signal(SIGINT);
  EXPECT_EQ(generate.wait(), 130);
  ChildProcess next(client(daemon, "generate", {"p"}));
  EXPECT_EQ(next.wait(), 0);
  // Nothing of the stopped request holds up the end.
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(Process, HealthAnswersWhileTheModelLoads) {
  Daemon daemon("/models/slow");
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("loading"));
  std::string out;
  for (int attempt = 0; attempt < 100 && out.find("not ready") == std::string::npos; ++attempt) {
    ChildProcess status(client(daemon, "status", {"--metrics-address", daemon.metrics_address}));
    EXPECT_EQ(status.wait(), 1);
    out = status.out();
  }
  EXPECT_THAT(out, HasSubstr("not ready"));
  ChildProcess generate(client(daemon, "generate", {"p"}));
  EXPECT_EQ(generate.wait(), 1);
  EXPECT_THAT(generate.err(), HasSubstr("loading"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(Process, WhatCannotStartSaysWhyInOneSentence) {
  Daemon daemon;
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: "));
  ChildProcess same_metrics(daemon.command);
  EXPECT_EQ(same_metrics.wait(), 1);
  EXPECT_THAT(same_metrics.err(),
              HasSubstr("tesserad: cannot listen on " + daemon.metrics_address +
                        " (server.metrics_address): another program listens there\n"));
  Daemon other;
  std::vector<std::string> command = daemon.command;
  command.back() = "server.metrics_address='" + other.metrics_address + "'";
  ChildProcess same_grpc(command);
  EXPECT_EQ(same_grpc.wait(), 1);
  EXPECT_THAT(same_grpc.err(),
              HasSubstr("tesserad: cannot listen on " + daemon.address +
                        " (server.grpc_address): another program listens there\n"));
  std::vector<std::string> no_pictures = other.command;
  no_pictures.insert(no_pictures.end(), {"--diffusion-model", "/m/missing"});
  ChildProcess half(no_pictures);
  EXPECT_EQ(half.wait(), 1);
  EXPECT_THAT(half.err(), HasSubstr("tesserad: /m/missing/config.json: no such file\n"));
  Daemon missing("/models/missing");
  ChildProcess no_model(missing.command);
  EXPECT_EQ(no_model.wait(), 1);
  EXPECT_THAT(no_model.err(), HasSubstr("tesserad: /models/missing/config.json: no such file\n"));
}

TEST(Process, CommandLine) {
  const auto run = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TESSERAD);
    ChildProcess process(arguments);
    const int code = process.wait();
    return std::make_tuple(code, process.out(), process.err());
  };
  EXPECT_EQ(std::get<0>(run({"--help-config"})), 0);
  EXPECT_THAT(std::get<1>(run({"--help-config"})), HasSubstr("\nschedule:\n"));
  EXPECT_THAT(std::get<1>(run({"--help"})), HasSubstr("--config"));
  EXPECT_THAT(std::get<1>(run({"--version"})), HasSubstr("tesserad "));
  EXPECT_THAT(std::get<1>(run({"--print-config", "--model", "/m"})), HasSubstr("# --model"));
  EXPECT_EQ(std::get<0>(
                run({"--check-config", "--config", TESSERA_SOURCE_DIR "/config/quickstart.yaml"})),
            0);
  EXPECT_EQ(std::get<0>(run({"--check-config", "--model", "/m", "--set", "a.b=c"})), 2);
  EXPECT_EQ(std::get<0>(run({})), 2);
  EXPECT_EQ(std::get<0>(run({"--model", "/m", "--set", "server.grpc_address='0.0.0.0:1'"})), 2);
}

}  // namespace
}  // namespace tessera
