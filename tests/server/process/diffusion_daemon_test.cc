// Small diffusion models served as a user serves them: tesserad on their folders, tessera as
// client.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "support/daemon.h"
#include "support/golden_tensors.h"
#include "support/temporary_folder.h"
#include "tools/client/http_get.h"
#include "tools/client/status.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

std::string folder(const std::string& name) {
  return TESSERA_SOURCE_DIR "/tests/golden/diffusion/" + name;
}

// A daemon that serves nothing but these, in f32 and with these settings.
Daemon daemon_with(const std::vector<std::string>& models, const std::string& settings = "") {
  Daemon daemon;
  daemon.command.erase(daemon.command.begin() + 1, daemon.command.begin() + 3);
  std::string list;
  for (const std::string& model : models)
    list += "{path: '" + folder(model) + "', dtype: f32" + settings + "}, ";
  daemon.command.insert(daemon.command.end(), {"--set", "diffusion_models=[" + list + "]"});
  return daemon;
}

std::vector<float> read_npy(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t head = bytes.find('\n') + 1;
  std::vector<float> values((bytes.size() - head) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + head, values.size() * sizeof(float));
  return values;
}

template <class Values>
void write_json(const std::string& file, const std::vector<int64_t>& shape, const Values& values) {
  Json nested = values;
  for (size_t axis = shape.size() - 1; axis > 0; --axis) {
    Json outer = Json::array();
    for (size_t at = 0; at < nested.size(); at += shape[axis]) {
      Json row = Json::array();
      for (int64_t inner = 0; inner < shape[axis]; ++inner) row.push_back(nested[at + inner]);
      outer.push_back(std::move(row));
    }
    nested = std::move(outer);
  }
  std::ofstream(file) << nested.dump();
}

double worst(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t at = 0; at < std::min(a.size(), b.size()); ++at)
    worst = std::max<double>(worst, std::abs(a[at] - b[at]));
  return worst;
}

// From noise to pixels as diffusers computes them, through JSON, gRPC and NumPy files.
TEST(DiffusionDaemon, MakesThePixelsOfDiffusers) {
  const TemporaryFolder place;
  const std::string at = place.path().string();
  const GoldenTensors golden(folder("dit") + "/golden.safetensors");
  std::vector<int64_t> shape = golden.shape("run_0.noise");
  shape.insert(shape.begin(), 1);
  write_json(at + "/noise.json", shape, golden.get("run_0.noise"));
  const Daemon daemon = daemon_with({"dit"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: dit")) << server.err();
  const std::string label = std::to_string(golden.get<int32_t>("run_0.label")[0]);
  const std::string guidance = std::to_string(golden.get("run_0.guidance")[0]);
  const auto image = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"--class",    label,    "--latents", at + "/noise.json",
                                          "--guidance", guidance, "--steps",   "20"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return client(daemon, "image", arguments);
  };
  ChildProcess raw(image({"--raw", "--out", at + "/a.png"}));
  ASSERT_EQ(raw.wait(), 0) << raw.err();
  EXPECT_LT(worst(read_npy(at + "/a.npy"), golden.get("run_0.pixels")), 2e-3);
  ChildProcess latents(image({"--raw-latents", "--out", at + "/b.png"}));
  ASSERT_EQ(latents.wait(), 0) << latents.err();
  EXPECT_LT(worst(read_npy(at + "/b.npy"), golden.get("run_0.latents_19")), 5e-3);
  ChildProcess picture(image({"--out", at + "/c.png"}));
  ASSERT_EQ(picture.wait(), 0) << picture.err();
  EXPECT_THAT(picture.out(), HasSubstr("c.png"));
  EXPECT_GT(std::filesystem::file_size(at + "/c.png"), 1000u);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(DiffusionDaemon, ServesPicturesFromPromptsVideosAndActionsSideBySide) {
  const TemporaryFolder place;
  const std::string at = place.path().string();
  const Daemon daemon = daemon_with({"pixart", "latte", "policy"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: pixart, latte, policy")) << server.err();

  ChildProcess image(client(daemon, "image",
                            {"a red ball", "--steps", "4", "--seed", "7", "--json", "--trace",
                             "--out", at + "/ball.png"}));
  ASSERT_EQ(image.wait(), 0) << image.err();
  std::istringstream lines(image.out());
  Json trace, completed;
  for (std::string line; std::getline(lines, line);) {
    const Json event = Json::parse(line);
    if (event["event"] == "trace") trace = event["steps"];
    if (event["event"] == "completed") completed = event;
  }
  EXPECT_EQ(trace.size(), 4u);
  EXPECT_GT(completed["usage"]["branches_computed"], 0);
  EXPECT_TRUE(std::filesystem::exists(at + "/ball.png"));

  const GoldenTensors video(folder("latte") + "/golden.safetensors");
  std::ofstream(at + "/embeddings.json") << "{}";
  write_json(at + "/prompt.json", video.shape("run_0.prompt"), video.get("run_0.prompt"));
  std::ifstream prompt(at + "/prompt.json");
  std::ofstream(at + "/embeddings.json") << "{\"prompt\": " << prompt.rdbuf() << "}";
  ChildProcess clip(
      client(daemon, "video",
             {"--embeddings", at + "/embeddings.json", "--steps", "2", "--out", at + "/clip"}));
  ASSERT_EQ(clip.wait(), 0) << clip.err();
  EXPECT_TRUE(std::filesystem::exists(at + "/clip/frame_0001.png"));

  const GoldenTensors policy(folder("policy") + "/golden.safetensors");
  write_json(at + "/seen.json", policy.shape("run_0.observation"), policy.get("run_0.observation"));
  const std::string steps = std::to_string(policy.shape("run_0.timesteps")[0]);
  const std::string seed = std::to_string(policy.get<int64_t>("run_0.seed")[0]);
  ChildProcess act(
      client(daemon, "act",
             {at + "/seen.json", "--steps", steps, "--seed", seed, "--noise", "torch_cpu"}));
  ASSERT_EQ(act.wait(), 0) << act.err();
  std::vector<float> answer;
  for (const Json& step : Json::parse(act.out())) {
    for (const Json& value : step) answer.push_back(value.get<float>());
  }
  EXPECT_LT(worst(answer, policy.get("run_0.answer")), 1e-3);

  ChildProcess status(client(daemon, "status", {"--metrics-address", daemon.metrics_address}));
  EXPECT_EQ(status.wait(), 0);
  EXPECT_THAT(status.out(), HasSubstr("model: latte (LattePipeline, prompt)"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(DiffusionDaemon, TellsWhatWasReusedAndShowsPreviews) {
  const TemporaryFolder place;
  const std::string at = place.path().string();
  const Daemon daemon = daemon_with({"dit"});
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: dit")) << server.err();
  ChildProcess image(client(daemon, "image",
                            {"--class", "3", "--steps", "6", "--policy", "uniform_reuse",
                             "--preview", "2", "--stats", "--out", at + "/a.png"}));
  ASSERT_EQ(image.wait(), 0) << image.err();
  EXPECT_THAT(image.err(), HasSubstr("branches reused"));
  EXPECT_THAT(image.err(), Not(HasSubstr(" 0.0 % of")));
  EXPECT_TRUE(std::filesystem::exists(at + "/a.preview.png"));
  ChildProcess wrong(client(daemon, "image", {"--class", "3", "--policy", "nothing"}));
  EXPECT_EQ(wrong.wait(), 1);
  EXPECT_THAT(wrong.err(), HasSubstr("nothing"));
  const auto metrics = http_get(daemon.metrics_address, "/metrics", 10);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  double reused = 0;
  for (const MetricLine& line : find_metrics(*metrics, "tessera_diffusion_kind_branches_total")) {
    if (line.label("decision") == "reused") reused += std::stod(line.value);
  }
  EXPECT_GT(reused, 0);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

// A step of this daemon holds two guided samples.
TEST(DiffusionDaemon, MoreSamplesThanAStepHoldsAreOneRequest) {
  const TemporaryFolder place;
  const std::string at = place.path().string();
  const Daemon daemon = daemon_with({"dit"}, ", rows_max: 64");
  ChildProcess server(daemon.command);
  ASSERT_TRUE(server.wait_for_err("ready: dit")) << server.err();
  const auto image = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"--class", "3",        "--steps",
                                          "6",       "--noise",  "torch_cpu",
                                          "--raw",   "--policy", "first_block_cache:threshold=1.2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return client(daemon, "image", arguments);
  };
  ChildProcess five(image({"-n", "5", "--seed", "7", "--json", "--out", at + "/all.png"}));
  ASSERT_EQ(five.wait(), 0) << five.err();
  std::istringstream lines(five.out());
  int step = 0, completed = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json event = Json::parse(line);
    completed += event["event"] == "completed";
    if (event["event"] != "step") continue;
    EXPECT_GT(event["step"], step);
    EXPECT_EQ(event["steps"], 6);
    step = event["step"];
  }
  EXPECT_EQ(step, 6);
  EXPECT_EQ(completed, 1);
  for (int sample = 0; sample < 5; ++sample) {
    ChildProcess one(image({"--seed", std::to_string(7 + sample), "--out", at + "/one.png"}));
    ASSERT_EQ(one.wait(), 0) << one.err();
    const std::vector<float> got = read_npy(at + "/all-" + std::to_string(sample) + ".npy");
    EXPECT_GT(got.size(), 0u);
    EXPECT_EQ(got, read_npy(at + "/one.npy")) << "sample " << sample;
  }
  ChildProcess many(image({"-n", "65"}));
  EXPECT_EQ(many.wait(), 1);
  EXPECT_THAT(many.err(), HasSubstr("denoising.samples is 65, must be in [1, 64]"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(DiffusionDaemon, SaysWhyItCannotStart) {
  Daemon daemon = daemon_with({"dit"});
  daemon.command.back() = "diffusion_models=[{path: /no/such/folder}]";
  ChildProcess server(daemon.command);
  EXPECT_EQ(server.wait(), 1);
  EXPECT_THAT(server.err(), HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace tessera
