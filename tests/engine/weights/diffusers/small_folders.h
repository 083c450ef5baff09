// Small folders of each pipeline, written for one test: what a test changes is what it is about.
#pragma once

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "engine/weights/diffusers/diffusers_folder.h"
#include "engine/weights/safetensors_bytes.h"
#include "nlohmann/json.hpp"
#include "support/temporary_folder.h"

namespace tessera {

using Json = nlohmann::json;

// "model_index.json" -> object, and so on.
using SmallFiles = std::map<std::string, Json>;

inline const Json& small_vae() {
  static const Json& config =
      *new Json{{"_class_name", "AutoencoderKL"},
                {"block_out_channels", {4, 8}},
                {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                {"norm_num_groups", 2},
                {"latent_channels", 4},
                {"sample_size", 16}};
  return config;
}

inline const Json& small_t5() {
  static const Json& config = *new Json{{"model_type", "t5"}, {"d_model", 6},
                                        {"d_kv", 2},          {"d_ff", 10},
                                        {"num_layers", 2},    {"num_heads", 3},
                                        {"vocab_size", 11},   {"feed_forward_proj", "gated-gelu"}};
  return config;
}

inline const Json& small_policy() {
  static const Json& config =
      *new Json{{"_class_name", "TransformerForDiffusion"},
                {"n_layer", 2},
                {"n_head", 2},
                {"n_emb", 8},
                {"n_cond_layers", 0},
                {"input_dim", 2},
                {"output_dim", 2},
                {"cond_dim", 3},
                {"horizon", 4},
                {"n_obs_steps", 2},
                {"n_action_steps", 3},
                {"causal_attn", true},
                {"time_as_cond", true},
                {"obs_as_cond", true},
                {"obs_keys", {{{"name", "a"}, {"width", 1}}, {{"name", "b"}, {"width", 2}}}},
                {"normalizer",
                 {{"a", {{"scale", {1}}, {"offset", {0}}}},
                  {"b", {{"scale", {2, 3}}, {"offset", {0, -1}}}},
                  {"action", {{"scale", {1, 1}}, {"offset", {0, 0}}}}}},
                {"scheduler", {{"_class_name", "DDPMScheduler"}}}};
  return config;
}

// Width 8 in 2 heads, 2 blocks, 4 latent channels, latents of 8 x 8.
inline Json small_transformer(const std::string& pipeline) {
  Json shape = {{"num_layers", 2},  {"num_attention_heads", 2}, {"attention_head_dim", 4},
                {"in_channels", 4}, {"patch_size", 2},          {"sample_size", 8}};
  if (pipeline == "DiTPipeline") {
    shape.update({{"_class_name", "DiTTransformer2DModel"}, {"num_embeds_ada_norm", 3}});
  } else if (pipeline == "StableDiffusion3Pipeline") {
    shape.update({{"_class_name", "SD3Transformer2DModel"},
                  {"out_channels", 4},
                  {"joint_attention_dim", 6},
                  {"pooled_projection_dim", 5},
                  {"caption_projection_dim", 8},
                  {"pos_embed_max_size", 4}});
  } else {
    const bool latte = pipeline == "LattePipeline";
    shape.update({{"_class_name", latte ? "LatteTransformer3DModel" : "PixArtTransformer2DModel"},
                  {"norm_type", "ada_norm_single"},
                  {"activation_fn", "gelu-approximate"},
                  {"norm_elementwise_affine", false},
                  {"out_channels", 8},
                  {"cross_attention_dim", 8},
                  {"caption_channels", 6}});
  }
  return shape;
}

inline SmallFiles small_files(const std::string& pipeline) {
  if (pipeline == "TransformerForDiffusion") return {{"config.json", small_policy()}};
  const Json transformer = small_transformer(pipeline);
  SmallFiles files = {{"model_index.json",
                       {{"_class_name", pipeline},
                        {"transformer", {"diffusers", transformer["_class_name"]}},
                        {"vae", {"diffusers", "AutoencoderKL"}},
                        {"scheduler", {"diffusers", "DDIMScheduler"}}}},
                      {"transformer/config.json", transformer},
                      {"vae/config.json", small_vae()},
                      {"scheduler/scheduler_config.json", {{"_class_name", "DDIMScheduler"}}}};
  if (pipeline == "PixArtAlphaPipeline" || pipeline == "LattePipeline") {
    files["model_index.json"]["text_encoder"] = {"transformers", "T5EncoderModel"};
    files["model_index.json"]["tokenizer"] = {"transformers", "T5Tokenizer"};
    files["text_encoder/config.json"] = small_t5();
  }
  return files;
}

inline PipelineFiles texts(const SmallFiles& files) {
  PipelineFiles texts;
  for (const auto& [name, content] : files) texts.emplace(name, content.dump());
  return texts;
}

// A safetensors file of these tensors, every byte `fill`.
inline std::string tensor_bytes(const std::vector<ExpectedTensor>& tensors,
                                const std::string& dtype = "F32", char fill = '\0') {
  Json header = Json::object();
  size_t at = 0;
  for (const ExpectedTensor& tensor : tensors) {
    const int64_t elements =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
    const size_t end = at + elements * (dtype == "F32" ? 4 : dtype == "F64" ? 8 : 2);
    header[tensor.name] = {{"dtype", dtype}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  return safetensors_bytes(header.dump(), std::string(at, fill));
}

inline void write_files(const TemporaryFolder& folder, const SmallFiles& files) {
  for (const auto& [name, content] : files) {
    std::filesystem::create_directories(std::filesystem::path(folder.path(name)).parent_path());
    folder.write(name, content.dump());
  }
}

// The JSON files and every weight file of a folder that opens.
inline void write_small_folder(const TemporaryFolder& folder, const SmallFiles& files) {
  write_files(folder, files);
  const absl::StatusOr<PipelineConfig> config = parse_pipeline_config(texts(files));
  ASSERT_TRUE(config.ok()) << config.status();
  const bool policy = files.count("model_index.json") == 0;
  folder.write(policy ? "model.safetensors" : "transformer/diffusion_pytorch_model.safetensors",
               tensor_bytes(expected_tensors(config->transformer)));
  if (config->vae.has_value()) {
    folder.write("vae/diffusion_pytorch_model.safetensors",
                 tensor_bytes(expected_tensors(*config->vae)));
  }
  if (config->text_encoder.has_value()) {
    folder.write("text_encoder/model.safetensors",
                 tensor_bytes(expected_tensors(*config->text_encoder)));
  }
}

inline std::string refusal(const TemporaryFolder& folder) {
  const absl::StatusOr<DiffusersFolder> opened = DiffusersFolder::open(folder.path());
  EXPECT_FALSE(opened.ok());
  return std::string(opened.status().message());
}

}  // namespace tessera
