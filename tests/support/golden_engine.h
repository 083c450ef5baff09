// A diffusion engine on a golden folder, and the requests of the runs that the folder's goldens
// hold.
#pragma once

#include <memory>
#include <string>

#include "support/diffusion_rig.h"

namespace tessera {

inline std::unique_ptr<DiffusionEngine> open_golden(const std::string& name,
                                                    const DeviceSettings& device = {},
                                                    int64_t rows_max = 0) {
  DiffusionModelSettings settings;
  settings.path = diffusion_folder(name);
  settings.dtype = "f32";
  settings.memory_bytes = int64_t{64} << 20;
  settings.rows_max = rows_max;
  auto engine = DiffusionEngine::create(settings, device, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

inline FloatArray golden_array(const GoldenTensors& golden, const std::string& name) {
  return golden.has(name) ? FloatArray{golden.shape(name), golden.get(name)} : FloatArray{};
}

// The condition of run `at`, for example "run_0.".
inline decltype(DiffusionRequest::condition) golden_condition(const GoldenTensors& golden,
                                                              const std::string& at) {
  const auto text = [&](const char* name) {
    const std::vector<char> bytes = golden.get<char>(at + name);
    return std::string(bytes.begin(), bytes.end());
  };
  if (golden.has(at + "label")) return ClassCondition{golden.get<int32_t>(at + "label")[0]};
  if (golden.has(at + "text")) return PromptCondition{text("text"), text("negative_text")};
  if (golden.has(at + "observation")) {
    return ObservationCondition{golden_array(golden, at + "observation")};
  }
  return EmbeddingCondition{
      golden_array(golden, at + "prompt"), golden_array(golden, at + "pooled"),
      golden_array(golden, at + "negative_prompt"), golden_array(golden, at + "negative_pooled")};
}

// Run `at` as the pipeline does it, for latents. `pixels_per_latent` is that of the folder's VAE.
inline DiffusionRequest golden_request(const GoldenTensors& golden, const std::string& at,
                                       int64_t pixels_per_latent) {
  DiffusionRequest request;
  request.id = at;
  request.condition = golden_condition(golden, at);
  request.steps = golden.shape(at + "timesteps")[0];
  request.latents_only = true;
  if (golden.has(at + "observation")) {
    request.noise = "torch_cpu";
    request.seed = static_cast<uint64_t>(golden.get<int64_t>(at + "seed")[0]);
    return request;
  }
  const std::vector<int64_t> shape = golden.shape(at + "noise");
  request.height = shape[shape.size() - 2] * pixels_per_latent;
  request.width = shape[shape.size() - 1] * pixels_per_latent;
  request.guidance_scale = golden.get(at + "guidance")[0];
  request.latents = golden_array(golden, at + "noise");
  return request;
}

}  // namespace tessera
