// `tessera image`, `video` and `act` against a server in this process.
#include "tools/client/denoise.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"
#include "support/temporary_folder.h"
#include "tools/client/program.h"
#include "tools/client/progress.h"

namespace tessera {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(DiffusionServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin() + 1,
                   {"--address", "127.0.0.1:" + std::to_string(server.port())});
  std::istringstream in;
  std::ostringstream out, err;
  const int code = run_program(arguments, in, out, err);
  return {code, out.str(), err.str()};
}

auto giving(std::vector<int64_t> shape) {
  return [shape](FakeDiffusionEngine& engine, const DiffusionRequest& request) {
    give(engine, request, shape);
  };
}

TEST(Denoise, ImageWritesItsFilesAndNamesThem) {
  DiffusionServer server;
  server.pictures.answer = giving({2, 3, 8, 8});
  const TemporaryFolder folder;
  const std::string name = folder.path().string() + "/cat.png";
  const Outcome result =
      run(server, {"image", "--class", "3", "-n", "2", "--out", name, "--stats"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            folder.path().string() + "/cat-0.png\n" + folder.path().string() + "/cat-1.png\n");
  EXPECT_TRUE(std::filesystem::exists(folder.path().string() + "/cat-1.png"));
  EXPECT_THAT(result.err, HasSubstr("step 2 of 2\n"));
  EXPECT_THAT(result.err, HasSubstr("queue 0.500 s"));
  EXPECT_EQ(server.pictures.requests().at(0).n, 2);
}

TEST(Denoise, NotesOfPoliciesAreTold) {
  DiffusionServer server;
  server.arm.answer = [](FakeDiffusionEngine& engine, const DiffusionRequest& request) {
    JobResult result;
    result.values = {{1, 1, 1}, {0.5f}};
    result.notes = {"a range had no effect"};
    engine.post(request.id, std::move(result));
  };
  const Outcome plain = run(server, {"act", "[[1]]"});
  EXPECT_EQ(plain.out, "[[0.5]]\n");
  EXPECT_EQ(plain.err, "tessera: note: a range had no effect\n");
  EXPECT_THAT(run(server, {"act", "[[1]]", "--json"}).out,
              HasSubstr("\"notes\":[\"a range had no effect\"]"));
}

TEST(Denoise, VideoWritesNumberedFrames) {
  DiffusionServer server;
  server.videos.answer = giving({1, 3, 3, 8, 8});
  const TemporaryFolder folder;
  const Outcome result =
      run(server, {"video", "a ball", "--out", folder.path().string() + "/ball", "--quiet"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, folder.path().string() + "/ball: 3 files\n");
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(std::filesystem::exists(folder.path().string() + "/ball/frame_0002.png"));
}

TEST(Denoise, ActPrintsALineASample) {
  DiffusionServer server;
  server.arm.answer = giving({2, 2, 1});
  const Outcome result = run(server, {"act", "[[0.25, 0.5]]", "-n", "2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "[[0.5],[0.5]]\n[[0.5],[0.5]]\n");
}

TEST(Denoise, JsonLinesSayWhereTheFilesAre) {
  DiffusionServer server;
  server.pictures.answer = giving({1, 3, 8, 8});
  const TemporaryFolder folder;
  const std::string name = folder.path().string() + "/cat.png";
  const Outcome result = run(server, {"image", "--class", "3", "--out", name, "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  std::istringstream lines(result.out);
  std::vector<std::string> events;
  std::string file;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    events.push_back(json["event"]);
    if (json["event"] == "result") file = json["file"];
  }
  EXPECT_EQ(events.front(), "accepted");
  EXPECT_EQ(events.back(), "completed");
  EXPECT_EQ(file, name);
}

TEST(Denoise, FailuresAreOneLineAndACode) {
  DiffusionServer server;
  server.pictures.check = [](const DiffusionRequest&) {
    return absl::InvalidArgumentError("class_label is 30, must be in [0, 9]");
  };
  const Outcome refused = run(server, {"image", "--class", "30"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.err, "tessera: class_label is 30, must be in [0, 9] (INVALID_ARGUMENT)\n");
  const Outcome usage = run(server, {"image"});
  EXPECT_EQ(usage.code, 2);
  EXPECT_EQ(usage.err, "tessera image: nothing to make: give a prompt, - for stdin, or --class\n");
  EXPECT_EQ(run(server, {"act"}).code, 2);
  EXPECT_EQ(run(server, {"video", "a", "--out", "%d%d"}).code, 2);
  const Outcome late = run(server, {"act", "[[1, 2]]", "--timeout", "0.2"});
  EXPECT_EQ(late.code, 1);
  EXPECT_THAT(late.err, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST(Denoise, WhatCannotBeWrittenEndsTheCall) {
  DiffusionServer server;
  server.pictures.answer = giving({1, 3, 8, 8});
  const Outcome result = run(server, {"image", "--class", "3", "--out", "/proc/no/cat.png"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("tessera: cannot write /proc/no/cat.png"));
}

TEST(Denoise, HelpOfEachCommand) {
  DiffusionServer server;
  for (const char* command : {"image", "video", "act"}) {
    const Outcome result = run(server, {command, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, HasSubstr(std::string("tessera ") + command));
  }
}

TEST(Progress, LinesForEveryTenth) {
  std::ostringstream err;
  Progress progress(Progress::Style::kLines, err);
  progress.queued(2);
  for (int32_t step = 1; step <= 40; ++step) progress.step(step, 40);
  progress.end();
  EXPECT_THAT(err.str(), HasSubstr("waiting, 2 before\nstep 4 of 40\nstep 8 of 40\n"));
  EXPECT_THAT(err.str(), HasSubstr("step 40 of 40\n"));
}

TEST(Progress, BarIsTakenAwayAtTheEnd) {
  std::ostringstream err;
  Progress progress(Progress::Style::kBar, err);
  progress.step(1, 4);
  progress.step(2, 4);
  EXPECT_THAT(err.str(), HasSubstr("[###############---------------] 2/4"));
  progress.end();
  EXPECT_EQ(err.str().substr(err.str().size() - 4), "\r\x1b[K");
  const size_t length = err.str().size();
  progress.end();
  EXPECT_EQ(err.str().size(), length);
}

}  // namespace
}  // namespace tessera
