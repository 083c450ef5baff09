#include "engine/diffusion/network_choice.h"

#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/step_list.h"
#include "engine/denoisers/diffusion_policy.h"
#include "engine/denoisers/dit.h"
#include "engine/denoisers/latte.h"
#include "engine/denoisers/pixart.h"
#include "engine/denoisers/sd3.h"

namespace tessera {
namespace {

template <class Made, class Config>
DenoiserFactory factory(const Config& config, DType dtype) {
  return [config, dtype](Region& weights) -> std::unique_ptr<Denoiser> {
    return std::make_unique<Made>(config, dtype, weights);
  };
}

LatentShape square(const TransformerShape& shape, int frames) {
  return {shape.in_channels, frames, shape.sample_size, shape.sample_size};
}

// Policies denoise in as many steps as they were trained with, unless their folder says otherwise.
absl::StatusOr<int64_t> training_steps(const std::string& scheduler) {
  const absl::StatusOr<nlohmann::json> parsed = parse_python_json("config.json", scheduler);
  if (!parsed.ok()) return parsed.status();
  const auto found = parsed->find("num_train_timesteps");
  if (found == parsed->end()) return 1000;
  if (!found->is_number_integer() || *found < 1 || *found > kStepsMax) {
    return absl::InvalidArgumentError("config.json: num_train_timesteps must be in [1, " +
                                      std::to_string(kStepsMax) + "]");
  }
  return found->get<int64_t>();
}

}  // namespace

absl::StatusOr<Network> network_of(const PipelineConfig& config, DType dtype) {
  const TransformerConfig& transformer = config.transformer;
  if (const auto* dit = std::get_if<DitConfig>(&transformer)) {
    return Network{factory<Dit>(*dit, dtype), square(*dit, 1), 50, 4};
  }
  if (const auto* pixart = std::get_if<PixArtConfig>(&transformer)) {
    return Network{factory<PixArt>(*pixart, dtype), square(*pixart, 1), 20, 4.5};
  }
  if (const auto* latte = std::get_if<LatteConfig>(&transformer)) {
    return Network{factory<Latte>(*latte, dtype), square(*latte, latte->frames), 50, 7.5};
  }
  if (const auto* sd3 = std::get_if<Sd3Config>(&transformer)) {
    return Network{factory<Sd3>(*sd3, dtype), square(*sd3, 1), 28, 7};
  }
  const auto& policy = std::get<DiffusionPolicyConfig>(transformer);
  int64_t steps = policy.default_steps;
  if (steps == 0) {
    const absl::StatusOr<int64_t> trained = training_steps(policy.scheduler);
    if (!trained.ok()) return trained.status();
    steps = *trained;
  }
  return Network{factory<DiffusionPolicy>(policy, dtype),
                 {1, 1, policy.horizon, policy.action_width},
                 steps,
                 1};
}

}  // namespace tessera
