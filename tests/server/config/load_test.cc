#include "server/config/load.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/fields.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kHead = "config_version: 1\n";

std::string error_of(const std::string& body) {
  LoadedConfig loaded;
  return std::string(apply_yaml(kHead + body, "f.yaml", "/etc", loaded).message());
}

std::string set_error(const std::string& assignment) {
  LoadedConfig loaded;
  return std::string(apply_set(assignment, loaded).message());
}

TEST(Load, ReadsEverySection) {
  LoadedConfig loaded;
  const absl::Status status = apply_yaml(kHead + R"(
server: { grpc_address: "[::1]:1", metrics_address: 127.0.0.1:2, drain_seconds: 5min }
model: { path: models/x, name: x, dtype: f32, context_tokens: auto }
device: { backend: reference, isa: avx2, threads: 3, ranks: 2 }
kv_cache: { bytes: 64MiB, memory_fraction: 0.25, prefix_caching: false, watermark: 0, blocks: 12,
            state_slots: 9 }
schedule: { tokens_per_step: 128, seqs_max: 7, steps_in_flight: 2, step_time_target_seconds: 100ms,
            hand_off_prefill_threshold_tokens: 900 }
decode: { proposer: { max_n: 5, kind: ngram, ratio: 0.5, name: "12", deep: true } }
branch: { policy: { kind: layer_skip } }
attention: { kind: sliding, window: 1024 }
metrics: { enabled: false }
logging: { level: debug, requests: true }
limits: { stall_seconds: 250ms, stream_buffer_bytes: 1MiB }
)",
                                         "f.yaml", "/etc", loaded);
  ASSERT_TRUE(status.ok()) << status;
  const ServerConfig& c = loaded.config;
  EXPECT_EQ(c.grpc_address, "[::1]:1");
  EXPECT_EQ(c.drain_seconds, 300);
  EXPECT_EQ(c.engine.model.path, "/etc/models/x");
  EXPECT_EQ(c.engine.model.dtype, "f32");
  EXPECT_EQ(c.engine.device.threads, 3);
  EXPECT_EQ(c.engine.device.ranks, 2);
  EXPECT_EQ(c.engine.kv_cache.bytes, 64u << 20);
  EXPECT_EQ(c.engine.kv_cache.memory_fraction, 0.25);
  EXPECT_FALSE(c.engine.kv_cache.prefix_caching);
  EXPECT_EQ(c.engine.kv_cache.state_slots, 9);
  EXPECT_EQ(c.engine.schedule.tokens_per_step, 128);
  EXPECT_EQ(c.engine.schedule.steps_in_flight, 2);
  EXPECT_EQ(c.engine.schedule.step_time_target_seconds, 0.1);
  EXPECT_EQ(c.engine.hand_off_prefill_threshold_tokens, 900);
  EXPECT_EQ(c.engine.proposer.kind, "ngram");
  const PolicyParams expected{
      {"max_n", int64_t{5}}, {"ratio", 0.5}, {"name", std::string("12")}, {"deep", true}};
  EXPECT_EQ(c.engine.proposer.params, expected);
  EXPECT_EQ(c.engine.branch_policy.kind, "layer_skip");
  EXPECT_EQ(c.engine.attention.params.at("window"), PolicyValue(int64_t{1024}));
  EXPECT_FALSE(c.metrics_enabled);
  EXPECT_EQ(c.stall_seconds, 0.25);
  EXPECT_EQ(loaded.origins.at("schedule.seqs_max"), "f.yaml:8");
  EXPECT_EQ(loaded.origins.at("decode.proposer.max_n"), "f.yaml:10");
}

TEST(Load, ErrorsNamePlacePathAndNearestName) {
  EXPECT_THAT(
      error_of("schedule:\n  seq_max: 3\n"),
      StartsWith("f.yaml:3:3: schedule.seq_max is not a known key; did you mean 'seqs_max'"));
  EXPECT_THAT(error_of("schedul:\n  seqs_max: 3\n"), HasSubstr("did you mean 'schedule'"));
  EXPECT_THAT(error_of("seqs_max: 3\n"), HasSubstr("did you mean 'schedule.seqs_max'"));
  EXPECT_THAT(error_of("grpc-address: x\n"), HasSubstr("is not a known key"));
  EXPECT_THAT(error_of("device: { isa: avx51 }\n"), HasSubstr("did you mean 'avx512'"));
  EXPECT_THAT(error_of("schedule:\n  seqs_max: 3\n  seqs_max: 4\n"),
              StartsWith("f.yaml:4:3: schedule.seqs_max is given twice; first in line 3"));
  EXPECT_THAT(error_of("model: {}\nmodel: {}\n"), HasSubstr("is given twice"));
  EXPECT_THAT(error_of("schedule: { seqs_max: 064 }\n"), HasSubstr("leading zero"));
  EXPECT_THAT(error_of("decode: { proposer: { kind: x, n: 07 } }\n"), HasSubstr("leading zero"));
}

TEST(Load, ErrorsOfTypeAndBound) {
  EXPECT_THAT(error_of("schedule: { seqs_max: 0 }\n"), HasSubstr("must be 1..1024, found 0"));
  EXPECT_THAT(error_of("schedule: { seqs_max: 1025 }\n"), HasSubstr("must be 1..1024"));
  EXPECT_THAT(error_of("schedule: { seqs_max: \"3\" }\n"), HasSubstr("found quoted text"));
  EXPECT_THAT(error_of("schedule: { seqs_max: auto }\n"), HasSubstr("expected a whole number"));
  EXPECT_THAT(error_of("schedule: { seqs_max: [3] }\n"), HasSubstr("found a list"));
  EXPECT_THAT(error_of("schedule: { seqs_max: {} }\n"), HasSubstr("found a map"));
  EXPECT_THAT(error_of("schedule: { seqs_max: }\n"), HasSubstr("has no value"));
  EXPECT_THAT(error_of("schedule: 3\n"), HasSubstr("is a section"));
  EXPECT_THAT(error_of("kv_cache: { memory_fraction: 0 }\n"), HasSubstr("above 0, at most 0.95"));
  EXPECT_THAT(error_of("kv_cache: { memory_fraction: nan }\n"), HasSubstr("expected a number"));
  EXPECT_THAT(error_of("kv_cache: { bytes: 1 parsec }\n"), HasSubstr("expected a size"));
  EXPECT_THAT(error_of("kv_cache: { prefix_caching: yes }\n"), HasSubstr("true or false"));
  EXPECT_THAT(error_of("server: { grpc_address: 50051 }\n"), HasSubstr("host:port"));
  EXPECT_THAT(error_of("decode: { proposer: ngram }\n"), HasSubstr("is a map"));
  EXPECT_THAT(error_of("decode: { proposer: { kind: x, tree: [1] } }\n"), HasSubstr("one value"));
  EXPECT_THAT(error_of("decode: { proposer: { n: 1 } }\n"), HasSubstr("no kind"));
  EXPECT_THAT(error_of("decode: { proposer: { kind: x, a.b: 1 } }\n"), HasSubstr("lower-case"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("f.yaml"));
}

TEST(Load, VersionIsRequired) {
  LoadedConfig loaded;
  EXPECT_THAT(std::string(apply_yaml("model: {}\n", "f.yaml", "/", loaded).message()),
              HasSubstr("config_version: 1"));
  EXPECT_THAT(std::string(apply_yaml("", "f.yaml", "/", loaded).message()),
              HasSubstr("f.yaml:1:1"));
  EXPECT_THAT(std::string(apply_yaml("config_version: 2\n", "f.yaml", "/", loaded).message()),
              HasSubstr("must be 1"));
}

TEST(Load, ReadsDiffusionModels) {
  LoadedConfig loaded;
  const absl::Status status = apply_yaml(kHead + R"(
diffusion_models:
  - path: models/dit
  - path: /abs/video
    name: clips
    dtype: f32
    rows_max: 4096
    memory_bytes: 1.5GiB
    memory_fraction: 0.5
    queue_requests_max: 7
    step_time_target_seconds: 250ms
    steps: 25
    guidance_scale: 2.5
)",
                                         "f.yaml", "/etc", loaded);
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<DiffusionModelSettings>& models = loaded.config.diffusion_models;
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].path, "/etc/models/dit");
  EXPECT_EQ(models[0].memory_fraction, 0.25);
  EXPECT_EQ(models[1].path, "/abs/video");
  EXPECT_EQ(models[1].name, "clips");
  EXPECT_EQ(models[1].dtype, "f32");
  EXPECT_EQ(models[1].rows_max, 4096);
  EXPECT_EQ(models[1].memory_bytes, int64_t{3} << 29);
  EXPECT_EQ(models[1].memory_fraction, 0.5);
  EXPECT_EQ(models[1].queue_requests_max, 7);
  EXPECT_EQ(models[1].step_time_target_seconds, 0.25);
  EXPECT_EQ(models[1].steps, 25);
  EXPECT_EQ(models[1].guidance_scale, 2.5);
  EXPECT_EQ(loaded.origins.at("diffusion_models[1].name"), "f.yaml:6");
  EXPECT_TRUE(check_config(loaded).ok());
  // One value of one model, and another list instead of the first.
  ASSERT_TRUE(apply_set("diffusion_models[1].rows_max=auto", loaded).ok());
  EXPECT_EQ(loaded.config.diffusion_models[1].rows_max, 0);
  ASSERT_TRUE(apply_set("diffusion_models[1].guidance_scale=auto", loaded).ok());
  EXPECT_EQ(loaded.config.diffusion_models[1].guidance_scale, 0);
  ASSERT_TRUE(apply_set("diffusion_models=[{path: /other}]", loaded).ok());
  ASSERT_EQ(loaded.config.diffusion_models.size(), 1u);
  EXPECT_EQ(loaded.origins.count("diffusion_models[1].name"), 0u);
  EXPECT_EQ(loaded.config.diffusion_models[0].name, "");
}

TEST(Load, MistakesInDiffusionModels) {
  const auto error = [](const std::string& list) {
    return error_of("diffusion_models: " + list + "\n");
  };
  EXPECT_THAT(error("{ path: x }"), HasSubstr("is a list of maps"));
  EXPECT_THAT(error("x"), HasSubstr("is a list of maps"));
  EXPECT_THAT(error("[x]"), HasSubstr("diffusion_models[0] is a map with a path"));
  EXPECT_THAT(error("[{ path: x }, { pth: x }]"),
              HasSubstr("diffusion_models[1].pth is not a known key; did you mean 'path'"));
  EXPECT_THAT(error("[{ path: x, path: y }]"), HasSubstr("is given twice"));
  EXPECT_THAT(error("[{ path: x, dtype: f16 }]"), HasSubstr("none of auto, bf16, f32"));
  EXPECT_THAT(error("[{ path: x, rows_max: -1 }]"), HasSubstr("must be 0..1048576"));
  EXPECT_THAT(error("[{ path: x, rows_max: {} }]"), HasSubstr("found a map"));
  EXPECT_THAT(error("[{ path: x, memory_bytes: lots }]"), HasSubstr("expected a size"));
  EXPECT_THAT(error("[{ path: x, memory_fraction: 1 }]"), HasSubstr("above 0, at most 0.95"));
  EXPECT_THAT(error("[{ path: [x] }]"), HasSubstr("found a list"));
  std::string many;
  for (int model = 0; model < 17; ++model) many += "{ path: x },";
  EXPECT_THAT(error("[" + many + "]"), HasSubstr("has 17 models, at most 16"));
  EXPECT_THAT(error_of("diffusion_model: []\n"), HasSubstr("did you mean 'diffusion_models'"));
  EXPECT_THAT(set_error("diffusion_models[0].path=x"), HasSubstr("not a known key"));
}

TEST(Load, ModelsNeedPathsAndNamesOfTheirOwn) {
  const auto error = [](const std::string& body) {
    LoadedConfig loaded;
    EXPECT_TRUE(apply_yaml(kHead + body, "f.yaml", "/etc", loaded).ok());
    return std::string(check_config(loaded).message());
  };
  EXPECT_THAT(error("diffusion_models: []\n"), HasSubstr("--diffusion-model"));
  EXPECT_THAT(error("diffusion_models: [{ name: x }]\n"),
              HasSubstr("diffusion_models[0].path is not set"));
  EXPECT_THAT(error("diffusion_models: [{ path: a/m }, { path: b/m }]\n"),
              HasSubstr("diffusion_models[1] has the name of diffusion_models[0], 'm'"));
  EXPECT_THAT(error("model: { path: a/m }\ndiffusion_models: [{ path: b, name: m }]\n"),
              HasSubstr("has the name of model"));
  EXPECT_EQ(error("model: { path: a/m }\ndiffusion_models: [{ path: b/n }]\n"), "");
}

// Each bounded field refuses both sides of its range and takes its ends.
TEST(Load, EveryBoundHolds) {
  ServerConfig config;
  config.diffusion_models.resize(1);
  int bounded = 0;
  for (const Field& field : config_fields(config)) {
    if (field.low == 0 && field.high == 0) continue;
    ++bounded;
    const auto attempt = [&](double value) {
      YamlNode node;
      node.kind = YamlNode::Kind::kScalar;
      char text[64];
      std::snprintf(text, sizeof text,
                    field.type == Field::Type::kNumber || field.type == Field::Type::kSeconds
                        ? "%.6f"
                        : "%.0f",
                    value);
      node.text = text;
      return assign(field, node, "").ok();
    };
    EXPECT_TRUE(attempt(field.high)) << field.path;
    EXPECT_FALSE(attempt(field.high * 2 + 1)) << field.path;
    EXPECT_EQ(attempt(field.low), !field.low_excluded) << field.path;
    EXPECT_FALSE(attempt(field.low - 1)) << field.path;
  }
  EXPECT_GT(bounded, 10);
}

TEST(Load, FlagsWinAndRememberWhereTheyCameFrom) {
  LoadedConfig loaded;
  ASSERT_TRUE(
      apply_yaml(kHead + "decode: { proposer: { kind: ngram, max_n: 4 } }\n", "f.yaml", "/", loaded)
          .ok());
  ASSERT_TRUE(apply_set("schedule.seqs_max=9", loaded).ok());
  ASSERT_TRUE(apply_set("decode.proposer.max_n=6", loaded).ok());
  EXPECT_EQ(loaded.config.engine.schedule.seqs_max, 9);
  EXPECT_EQ(loaded.origins.at("schedule.seqs_max"), "--set schedule.seqs_max");
  EXPECT_EQ(loaded.config.engine.proposer.params.at("max_n"), PolicyValue(int64_t{6}));
  // Another technique does not inherit the keys of the first.
  ASSERT_TRUE(apply_set("decode.proposer.kind=other", loaded).ok());
  EXPECT_TRUE(loaded.config.engine.proposer.params.empty());
  EXPECT_EQ(loaded.origins.count("decode.proposer.max_n"), 0u);
  ASSERT_TRUE(apply_set("branch.policy={kind: layer_skip, ratio: 0.5}", loaded).ok());
  EXPECT_EQ(loaded.config.engine.branch_policy.params.size(), 1u);
}

TEST(Load, BadFlags) {
  EXPECT_THAT(set_error("nonsense"), HasSubstr("path.to.key=value"));
  EXPECT_THAT(set_error("=3"), HasSubstr("path.to.key=value"));
  EXPECT_THAT(set_error("schedule.seqs_max="), HasSubstr("has no value"));
  EXPECT_THAT(set_error("schedule.seqsmax=3"), HasSubstr("did you mean 'seqs_max'"));
  EXPECT_THAT(set_error("schedule=3"), HasSubstr("is a section"));
  EXPECT_THAT(set_error("schedule..seqs_max=3"), HasSubstr("not a known key"));
  EXPECT_THAT(set_error("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s=3"), HasSubstr("not a known key"));
  EXPECT_THAT(set_error("schedule.seqs_max=[1"), HasSubstr("--set schedule.seqs_max"));
}

TEST(Load, AddressesThatOthersReachNeedConsent) {
  LoadedConfig loaded;
  ASSERT_TRUE(apply_set("model.path=/m", loaded).ok());
  EXPECT_TRUE(check_config(loaded).ok());
  ASSERT_TRUE(apply_set("server.grpc_address='0.0.0.0:50051'", loaded).ok());
  EXPECT_THAT(std::string(check_config(loaded).message()),
              HasSubstr("server.allow_insecure: true"));
  ASSERT_TRUE(apply_set("server.allow_insecure=true", loaded).ok());
  EXPECT_TRUE(check_config(loaded).ok());
  ASSERT_TRUE(apply_set("server.allow_insecure=false", loaded).ok());
  ASSERT_TRUE(apply_set("server.grpc_address='localhost:50051'", loaded).ok());
  ASSERT_TRUE(apply_set("server.metrics_address='10.0.0.1:9464'", loaded).ok());
  EXPECT_FALSE(check_config(loaded).ok());
  ASSERT_TRUE(apply_set("metrics.enabled=false", loaded).ok());
  EXPECT_TRUE(check_config(loaded).ok());
}

TEST(Load, FromFilesAndFlags) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "server_config_load_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "a.yaml") << kHead << "model: { path: m, name: n }\n";
  const std::string file = (folder / "a.yaml").string();
  const auto loaded = load_config({.file = file, .model = "", .sets = {"model.name=other"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.engine.model.path, (folder / "m").string());
  EXPECT_EQ(loaded->config.engine.model.name, "other");
  EXPECT_EQ(load_config({.file = file, .model = "/x", .sets = {}})->config.engine.model.path, "/x");
  const auto both =
      load_config({.file = file, .model = "", .diffusion_models = {"/d", "/e"}, .sets = {}});
  ASSERT_TRUE(both.ok()) << both.status();
  ASSERT_EQ(both->config.diffusion_models.size(), 2u);
  EXPECT_EQ(both->config.diffusion_models[1].path, "/e");
  EXPECT_EQ(both->origins.at("diffusion_models[1].path"), "--diffusion-model");
  EXPECT_THAT(std::string(load_config({}).status().message()), HasSubstr("--model"));
  EXPECT_EQ(load_config({.file = file + "x", .model = "", .sets = {}}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(load_config({.file = folder.string(), .model = "", .sets = {}}).status().code(),
            absl::StatusCode::kNotFound);
  std::filesystem::remove_all(folder);
}

TEST(Load, QuickstartIsValid) {
  const auto loaded =
      load_config({.file = TESSERA_SOURCE_DIR "/config/quickstart.yaml", .model = "", .sets = {}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.engine.model.path, TESSERA_SOURCE_DIR "/deploy/models/tiny-code");
  EXPECT_EQ(loaded->config.grpc_address, "127.0.0.1:50051");
  EXPECT_EQ(loaded->config.metrics_address, "127.0.0.1:9464");
}

}  // namespace
}  // namespace tessera
