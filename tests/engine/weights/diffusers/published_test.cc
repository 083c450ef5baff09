// Published checkpoints: configs/ holds what each publishes in its JSON files; the tables say what
// must come of them. Counts of tensors and parameters are those of the diffusers and transformers
// classes made from the same configs.
#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/weights/diffusers/model_index.h"
#include "engine/weights/diffusers/pipeline_config.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kConfigs = TESSERA_SOURCE_DIR "/tests/engine/weights/diffusers/configs";

absl::StatusOr<PipelineConfig> parse(const std::string& checkpoint) {
  std::ifstream in(kConfigs + "/" + checkpoint + ".json");
  EXPECT_TRUE(in.good()) << checkpoint;
  const nlohmann::json contents = nlohmann::json::parse(in);
  PipelineFiles files;
  for (const auto& [name, content] : contents.items()) files.emplace(name, content.dump());
  return parse_pipeline_config(files);
}

PipelineConfig accepted(const std::string& checkpoint) {
  absl::StatusOr<PipelineConfig> config = parse(checkpoint);
  if (!config.ok()) ADD_FAILURE() << checkpoint << ": " << config.status();
  return *std::move(config);
}

int64_t parameters(const std::vector<ExpectedTensor>& tensors) {
  int64_t sum = 0;
  for (const ExpectedTensor& tensor : tensors) {
    sum +=
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
  }
  return sum;
}

struct Counts {
  const char* checkpoint;
  const char* pipeline;
  size_t tensors;
  int64_t parameters;
  bool t5;
};

TEST(Published, ImplyTheTensorsOfTheirClasses) {
  // Of DiT's 28 embedders one is left: 27 x 5 tensors, 27 x 2,777,472 parameters fewer.
  const Counts table[] = {
      {"dit-xl-2-256", "DiTPipeline", 538 - 27 * 5, 749826464 - 27 * 2777472, false},
      {"dit-xl-2-512", "DiTPipeline", 538 - 27 * 5, 749826464 - 27 * 2777472, false},
      {"pixart-xl-2-512x512", "PixArtAlphaPipeline", 603, 610856096, true},
      {"pixart-xl-2-1024-ms", "PixArtAlphaPipeline", 611, 611349152, true},
      {"latte-1", "LattePipeline", 967, 1057246880, true},
      {"stable-diffusion-3-medium", "StableDiffusion3Pipeline", 683, 2084951104, false},
      {"stable-diffusion-3.5-medium", "StableDiffusion3Pipeline", 909, 2469663936, false},
      {"stable-diffusion-3.5-large", "StableDiffusion3Pipeline", 1227, 8146280768, false},
  };
  for (const Counts& counts : table) {
    SCOPED_TRACE(counts.checkpoint);
    const PipelineConfig config = accepted(counts.checkpoint);
    EXPECT_EQ(config.pipeline, counts.pipeline);
    EXPECT_EQ(expected_tensors(config.transformer).size(), counts.tensors);
    EXPECT_EQ(parameters(expected_tensors(config.transformer)), counts.parameters);
    const bool sd3 = config.pipeline == kSd3Pipeline;
    ASSERT_TRUE(config.vae.has_value());
    EXPECT_EQ(expected_tensors(*config.vae).size(), sd3 ? 138u : 140u);
    EXPECT_EQ(parameters(expected_tensors(*config.vae)), sd3 ? 49545475 : 49490199);
    EXPECT_EQ(config.text_encoder.has_value(), counts.t5);
    if (!counts.t5) continue;
    EXPECT_EQ(expected_tensors(*config.text_encoder).size(), 219u);
    EXPECT_EQ(parameters(expected_tensors(*config.text_encoder)), 4893906944 - 32128 * 4096);
  }
}

TEST(Published, Dit) {
  for (const auto& [checkpoint, size] : {std::pair{"dit-xl-2-256", 32}, {"dit-xl-2-512", 64}}) {
    const PipelineConfig config = accepted(checkpoint);
    const auto& dit = std::get<DitConfig>(config.transformer);
    EXPECT_EQ(dit.layers, 28);
    EXPECT_EQ(dit.heads, 16);
    EXPECT_EQ(dit.head_width, 72);
    EXPECT_EQ(dit.width(), 1152);
    EXPECT_EQ(dit.in_channels, 4);
    EXPECT_EQ(dit.out_channels, 8);
    EXPECT_EQ(dit.patch, 2);
    EXPECT_EQ(dit.sample_size, size);
    EXPECT_EQ(dit.classes, 1000);
    EXPECT_TRUE(dit.attention_bias);
    EXPECT_EQ(dit.norm_epsilon, 1e-5f) << "the class default";
    EXPECT_THAT(config.notes, IsEmpty());
    EXPECT_THAT(config.class_names, IsEmpty());
    EXPECT_THAT(config.scheduler, HasSubstr("DDIMScheduler"));
    EXPECT_EQ(config.vae->latent_channels, 4);
    EXPECT_EQ(config.vae->sample_size, 256);
    EXPECT_EQ(config.vae->norm_groups, 32);
    EXPECT_EQ(config.vae->scaling_factor, 0.18215);
    EXPECT_EQ(config.vae->shift_factor, 0);
    EXPECT_TRUE(config.vae->post_quant_convolution);
    EXPECT_TRUE(config.vae->mid_attention);
  }
}

TEST(Published, PixArt) {
  for (const auto& [checkpoint, size, scale, sizes] :
       {std::tuple{"pixart-xl-2-512x512", 64, 1.0, false},
        {"pixart-xl-2-1024-ms", 128, 2.0, true}}) {
    const PipelineConfig config = accepted(checkpoint);
    const auto& pixart = std::get<PixArtConfig>(config.transformer);
    EXPECT_EQ(pixart.width(), 1152);
    EXPECT_EQ(pixart.sample_size, size);
    EXPECT_EQ(pixart.interpolation_scale, scale);
    EXPECT_EQ(pixart.size_conditions, sizes);
    EXPECT_EQ(pixart.caption_channels, 4096);
    EXPECT_EQ(pixart.norm_epsilon, 1e-6f);
    EXPECT_EQ(config.tokenizer_folder, "tokenizer");
    EXPECT_THAT(config.notes, IsEmpty());
  }
}

TEST(Published, T5) {
  const T5Config t5 = *accepted("pixart-xl-2-1024-ms").text_encoder;
  EXPECT_EQ(t5.layers, 24);
  EXPECT_EQ(t5.width, 4096);
  EXPECT_EQ(t5.ffn_width, 10240);
  EXPECT_EQ(t5.heads, 64);
  EXPECT_EQ(t5.head_width, 64);
  EXPECT_EQ(t5.vocab_size, 32128);
  EXPECT_EQ(t5.position_buckets, 32);
  EXPECT_EQ(t5.position_distance_max, 128);
  EXPECT_EQ(t5.norm_epsilon, 1e-6f);
  EXPECT_EQ(t5.pad_id, 0);
  EXPECT_EQ(t5.end_id, 1);
}

TEST(Published, Latte) {
  const PipelineConfig config = accepted("latte-1");
  const auto& latte = std::get<LatteConfig>(config.transformer);
  EXPECT_EQ(latte.layers, 28);
  EXPECT_EQ(latte.width(), 1152);
  EXPECT_EQ(latte.frames, 16);
  EXPECT_EQ(latte.sample_size, 64);
  EXPECT_EQ(latte.interpolation_scale, 1);
  EXPECT_EQ(latte.caption_channels, 4096);
  EXPECT_TRUE(latte.attention_bias);
  EXPECT_EQ(latte.norm_epsilon, 1e-6f);
}

struct Sd3Facts {
  const char* checkpoint;
  int64_t width;
  int layers, position_size, dual;
  bool qk_norm;
};

TEST(Published, Sd3) {
  const Sd3Facts table[] = {{"stable-diffusion-3-medium", 1536, 24, 192, 0, false},
                            {"stable-diffusion-3.5-medium", 1536, 24, 384, 13, true},
                            {"stable-diffusion-3.5-large", 2432, 38, 192, 0, true}};
  for (const Sd3Facts& facts : table) {
    SCOPED_TRACE(facts.checkpoint);
    const PipelineConfig config = accepted(facts.checkpoint);
    const auto& sd3 = std::get<Sd3Config>(config.transformer);
    EXPECT_EQ(sd3.width(), facts.width);
    EXPECT_EQ(sd3.layers, facts.layers);
    EXPECT_EQ(sd3.position_size, facts.position_size);
    EXPECT_EQ(sd3.prompt_width, 4096);
    EXPECT_EQ(sd3.pooled_width, 2048);
    EXPECT_EQ(sd3.qk_norm, facts.qk_norm);
    std::vector<bool> dual(facts.layers, false);
    std::fill_n(dual.begin(), facts.dual, true);
    EXPECT_EQ(sd3.dual_attention, dual);
    EXPECT_EQ(config.vae->latent_channels, 16);
    EXPECT_EQ(config.vae->scaling_factor, 1.5305);
    EXPECT_EQ(config.vae->shift_factor, 0.0609);
    EXPECT_FALSE(config.vae->post_quant_convolution);
    EXPECT_TRUE(config.vae->force_f32);
    EXPECT_EQ(config.notes.size(), 6u) << "three encoders, three tokenizers";
    for (const std::string& note : config.notes) {
      EXPECT_THAT(note, EndsWith("is not used: prompts come as embeddings"));
    }
  }
}

TEST(Published, OtherPipelinesAreRefusedByClass) {
  for (const auto& [checkpoint, pipeline] :
       {std::pair{"stable-diffusion-xl-base-1.0", "StableDiffusionXLPipeline"},
        {"flux.1-schnell", "FluxPipeline"},
        {"wan2.1-t2v-1.3b", "WanPipeline"},
        {"qwen-image", "QwenImagePipeline"},
        {"pixart-sigma-xl-2-1024-ms", "PixArtSigmaPipeline"}}) {
    const absl::Status status = parse(checkpoint).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_EQ(std::string(status.message()),
              std::string("model_index.json: _class_name is \"") + pipeline +
                  "\", supported pipelines are DiTPipeline, PixArtAlphaPipeline, LattePipeline, "
                  "StableDiffusion3Pipeline and converted diffusion policies "
                  "(TransformerForDiffusion)");
  }
}

TEST(Published, EveryFileIsInATable) {
  const std::filesystem::directory_iterator files(kConfigs);
  EXPECT_EQ(std::distance(begin(files), end(files)), 8 + 5) << "accepted + refused";
}

}  // namespace
}  // namespace tessera
