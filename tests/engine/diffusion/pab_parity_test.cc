// PAB before the gate is diffusers' PyramidAttentionBroadcastConfig: the same attentions compute at
// the same steps, and the latents after them are the same.
#include "gtest/gtest.h"
#include "support/golden_engine.h"
#include "support/sigma.h"

namespace tessera {
namespace {

constexpr int64_t kPixelsPerLatent = 8;  // of the goldens' VAEs

DiffusionRequest run_0(const GoldenTensors& golden) {
  DiffusionRequest request = golden_request(golden, "run_0.", kPixelsPerLatent);
  request.trace = true;
  return request;
}

// The sites of the folder's network, in the order of the trace.
std::vector<DenoiserSite> sites_of(const std::string& name) {
  const auto folder = *DiffusersFolder::open(diffusion_folder(name));
  Region weights = Region::dry("sites");
  return make_network(folder.config().transformer, DType::kF32, weights)->sites();
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
std::vector<int32_t> computed(const std::vector<std::string>& trace,
                              const std::vector<DenoiserSite>& sites, SiteKind kind) {
  std::vector<int32_t> computed;
  for (const std::string& step : trace) {
    for (size_t site = 0; site < sites.size(); ++site) {
      if (sites[site].kind == kind) computed.push_back(step[site] == 'R' ? 0 : 1);
    }
  }
  return computed;
}

class PabParity : public ::testing::TestWithParam<std::string> {};

TEST_P(PabParity, TraceAndLatentsOfDiffusers) {
  const GoldenTensors golden(diffusion_folder(GetParam()) + "/golden.safetensors");
  const std::vector<DenoiserSite> sites = sites_of(GetParam());
  const auto engine = open_golden(GetParam());
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
      EXPECT_EQ(computed(result.trace, sites, kind), golden.get<int32_t>(at + name)) << at << name;
    }
    EXPECT_GT(result.summary.reused, 0);
    const std::vector<float> want = golden.get(at + "latents_19");
    EXPECT_LT(worst_sigma(result.values.values, want), 1e-3) << at;
    // The cache matters: without it the latents are others.
    EXPECT_GT(worst_sigma(plain->result().values.values, want), 1e-2) << at;
  }
  EXPECT_GE(cases, 1);
}

INSTANTIATE_TEST_SUITE_P(Networks, PabParity,
                         ::testing::Values("dit", "pixart", "pixart_sizes", "latte"));

}  // namespace
}  // namespace tessera
