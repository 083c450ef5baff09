#include "tools/bench/random_model/diffusion_shapes.h"

#include "absl/strings/str_join.h"

namespace tessera {
namespace {

using nlohmann::ordered_json;

// Of both published checkpoints.
ordered_json linear_ddim() {
  return {
      {"_class_name", "DDIMScheduler"}, {"beta_end", 0.02},         {"beta_schedule", "linear"},
      {"beta_start", 0.0001},           {"clip_sample", false},     {"num_train_timesteps", 1000},
      {"prediction_type", "epsilon"},   {"set_alpha_to_one", true}, {"steps_offset", 0},
      {"timestep_spacing", "leading"},  {"trained_betas", nullptr}};
}

// What DiT-XL/2 and Latte-1 share: 28 blocks of a kind, 1152 wide.
ordered_json extra_large(const char* class_name, const char* norm_type) {
  return {{"_class_name", class_name},
          {"activation_fn", "gelu-approximate"},
          {"attention_bias", true},
          {"attention_head_dim", 72},
          {"dropout", 0.0},
          {"in_channels", 4},
          {"norm_elementwise_affine", false},
          {"norm_type", norm_type},
          {"num_attention_heads", 16},
          {"num_embeds_ada_norm", 1000},
          {"num_layers", 28},
          {"out_channels", 8},
          {"patch_size", 2}};
}

ordered_json model_index(const char* pipeline, const char* transformer) {
  return {{"_class_name", pipeline},
          {"scheduler", {"diffusers", "DDIMScheduler"}},
          {"transformer", {"diffusers", transformer}}};
}

DiffusionShape dit_xl_2_256() {
  DiffusionShape shape{"dit-xl-2-256", model_index("DiTPipeline", "DiTTransformer2DModel"),
                       linear_ddim(), extra_large("DiTTransformer2DModel", "ada_norm_zero")};
  shape.transformer.update(ordered_json{{"norm_eps", 1e-5}, {"sample_size", 32}});
  return shape;
}

DiffusionShape latte_1() {
  DiffusionShape shape{"latte-1", model_index("LattePipeline", "LatteTransformer3DModel"),
                       linear_ddim(), extra_large("LatteTransformer3DModel", "ada_norm_single")};
  shape.transformer.update(ordered_json{{"caption_channels", 4096},
                                        {"cross_attention_dim", 1152},
                                        {"norm_eps", 1e-6},
                                        {"sample_size", 64},
                                        {"video_length", 16}});
  return shape;
}

std::vector<DiffusionShape> shapes() { return {dit_xl_2_256(), latte_1()}; }

}  // namespace

std::vector<std::string> diffusion_shape_names() {
  std::vector<std::string> names;
  for (const DiffusionShape& shape : shapes()) names.push_back(shape.name);
  return names;
}

absl::StatusOr<DiffusionShape> find_diffusion_shape(const std::string& name) {
  for (DiffusionShape& shape : shapes()) {
    if (shape.name == name) return std::move(shape);
  }
  return absl::InvalidArgumentError("shape \"" + name + "\" is not one of " +
                                    absl::StrJoin(diffusion_shape_names(), ", "));
}

}  // namespace tessera
