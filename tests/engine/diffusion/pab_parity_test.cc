// PAB before the gate is diffusers' PyramidAttentionBroadcastConfig: the same attentions compute at
// the same steps, and the latents after them are the same.
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"
#include "support/sigma.h"

namespace tessera {
namespace {

LatentShape shape_of(const std::vector<int64_t>& shape) {
  LatentShape latents{static_cast<int>(shape[0]), 1, static_cast<int>(shape[shape.size() - 2]),
                      static_cast<int>(shape.back())};
  if (shape.size() == 4) latents.frames = static_cast<int>(shape[1]);
  return latents;
}

DiffusionRequest run_0(const GoldenTensors& golden) {
  DiffusionRequest request;
  request.id = "run";
  request.latents = FloatArray{golden.shape("run_0.noise"), golden.get("run_0.noise")};
  request.guidance_scale = golden.get("run_0.guidance")[0];
  request.steps = static_cast<int64_t>(golden.get("run_0.timesteps").size());
  request.latents_only = true;
  request.trace = true;
  if (golden.has("run_0.label")) {
    request.condition = ClassCondition{golden.get<int32_t>("run_0.label")[0]};
  } else {
    const auto rows = [&](const std::string& name) {
      return FloatArray{golden.shape(name), golden.get(name)};
    };
    request.condition =
        EmbeddingCondition{rows("run_0.prompt"), {}, rows("run_0.negative_prompt"), {}};
  }
  return request;
}

PolicyParams params_of(const GoldenTensors& golden, const std::string& at) {
  const std::vector<int32_t> ranges = golden.get<int32_t>(at + "ranges");
  const std::vector<int32_t> window = golden.get<int32_t>(at + "window");
  PolicyParams params;
  const char* const kinds[] = {"spatial", "temporal", "cross"};
  for (int kind = 0; kind < 3; ++kind) {
    const std::string name = kinds[kind];
    // Where a spatial range is set, diffusers takes temporal attention for spatial.
    const int32_t range = kind == 1 && ranges[0] > 0 ? ranges[0] : ranges[kind];
    params[name + "_range"] = std::max<int64_t>(range, 1);
    params[name + "_low"] = static_cast<double>(window[0]);
    params[name + "_high"] = static_cast<double>(window[1]);
  }
  return params;
}

// [steps][attentions of the kind] 1 = computed.
std::vector<int32_t> computed(const std::vector<std::string>& trace, const CacheModel& network,
                              SiteKind kind) {
  std::vector<int32_t> computed;
  for (const std::string& step : trace) {
    for (size_t site = 0; site < network.sites.size(); ++site) {
      if (network.sites[site].kind == kind) computed.push_back(step[site] == 'R' ? 0 : 1);
    }
  }
  return computed;
}

class PabParity : public ::testing::TestWithParam<std::string> {};

TEST_P(PabParity, TraceAndLatentsOfDiffusers) {
  const GoldenTensors golden(diffusion_folder(GetParam()) + "/golden.safetensors");
  CacheModel network;
  const auto engine = make_engine(GetParam(), shape_of(golden.shape("run_0.noise")), {}, &network);
  const auto plain = submit_to(*engine, run_0(golden));
  ASSERT_TRUE(plain->status().ok()) << plain->status();
  int cases = 0;
  for (; golden.has("pab_" + std::to_string(cases) + ".window"); ++cases) {
    const std::string at = "pab_" + std::to_string(cases) + ".";
    DiffusionRequest request = run_0(golden);
    request.policies["pab"] = params_of(golden, at);
    const auto job = submit_to(*engine, request);
    ASSERT_TRUE(job->status().ok()) << job->status();
    const JobResult& result = job->result();
    for (const auto& [name, kind] : {std::pair{"trace_self", SiteKind::kSelf},
                                     std::pair{"trace_temporal", SiteKind::kTemporal},
                                     std::pair{"trace_cross", SiteKind::kCross}}) {
      if (!golden.has(at + name)) continue;
      EXPECT_EQ(computed(result.trace, network, kind), golden.get<int32_t>(at + name))
          << at << name;
    }
    EXPECT_GT(result.summary.reused, 0);
    const std::vector<float> want = golden.get(at + "latents_19");
    EXPECT_LT(worst_sigma(result.values.values, want), 1e-3) << at;
    // The cache matters: without it the latents are others.
    EXPECT_GT(worst_sigma(plain->result().values.values, want), 1e-2) << at;
  }
  EXPECT_GE(cases, 1);
}

INSTANTIATE_TEST_SUITE_P(Networks, PabParity, ::testing::Values("dit", "latte"));

}  // namespace
}  // namespace tessera
