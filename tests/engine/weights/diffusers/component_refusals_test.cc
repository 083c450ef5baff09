// One change to one key of a small config: the message names component, key and value.
#include "engine/weights/diffusers/small_folders.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const char* const kDit = "DiTPipeline";
const char* const kPixArt = "PixArtAlphaPipeline";
const char* const kLatte = "LattePipeline";
const char* const kSd3 = "StableDiffusion3Pipeline";
const char* const kPolicy = "TransformerForDiffusion";
const char* const kPipelines[] = {kDit, kPixArt, kLatte, kSd3, kPolicy};

constexpr const char* kTransformer = "transformer/config.json";
constexpr const char* kVae = "vae/config.json";
constexpr const char* kText = "text_encoder/config.json";

struct Change {
  const char* pipeline;
  const char* file;
  Json changes;
  const char* says;
};

SmallFiles changed(const Change& change) {
  SmallFiles files = small_files(change.pipeline);
  files.at(change.file).update(change.changes);
  return files;
}

void expect_refused(const Change& change) {
  const absl::Status status = parse_pipeline_config(texts(changed(change))).status();
  EXPECT_FALSE(status.ok()) << change.changes;
  const std::string message(status.message());
  EXPECT_THAT(message, StartsWith(std::string(change.file) + ": ")) << change.changes;
  EXPECT_THAT(message, HasSubstr(change.says)) << change.changes;
}

TEST(ComponentRefusals, TheUnchangedFoldersAreAccepted) {
  for (const char* pipeline : kPipelines) {
    const auto config = parse_pipeline_config(texts(small_files(pipeline)));
    EXPECT_TRUE(config.ok()) << pipeline << ": " << config.status();
    EXPECT_THAT(config->notes, ::testing::IsEmpty());
  }
}

TEST(ComponentRefusals, DimensionsOfEveryTransformer) {
  for (const char* pipeline : {kDit, kPixArt, kLatte, kSd3}) {
    SCOPED_TRACE(pipeline);
    const Change table[] = {
        {pipeline, kTransformer, {{"num_layers", 0}}, "num_layers is 0, must be an integer from 1"},
        {pipeline, kTransformer, {{"num_layers", 1e9}}, "num_layers is 1000000000.0"},
        {pipeline, kTransformer, {{"num_layers", "2"}}, "num_layers is \"2\""},
        {pipeline,
         kTransformer,
         {{"num_attention_heads", 18446744073709551615u}},
         "num_attention_heads is 18446744073709551615"},
        {pipeline, kTransformer, {{"attention_head_dim", 3}}, "attention_head_dim is 3"},
        {pipeline, kTransformer, {{"attention_head_dim", -4}}, "attention_head_dim is -4"},
        {pipeline,
         kTransformer,
         {{"num_attention_heads", 1}, {"attention_head_dim", 6}},
         "attention_head_dim is 6, must give a multiple of 4"},
        {pipeline,
         kTransformer,
         {{"num_attention_heads", 1024}, {"attention_head_dim", 1024}},
         "attention_head_dim is 1024, must give a multiple of 4 up to 131072"},
        {pipeline, kTransformer, {{"in_channels", 0}}, "in_channels is 0"},
        {pipeline, kTransformer, {{"out_channels", 1 << 20}}, "out_channels is 1048576"},
        {pipeline, kTransformer, {{"patch_size", 17}}, "patch_size is 17"},
        {pipeline,
         kTransformer,
         {{"patch_size", 3}},
         "sample_size is 8, must be a multiple of patch_size, which is 3"},
        {pipeline, kTransformer, {{"sample_size", {8, 8}}}, "sample_size is [8,8]"},
        {pipeline,
         kTransformer,
         {{"quantization_config", {{"quant_method", "bitsandbytes"}}}},
         "quantization_config is {\"quant_method\":\"bitsandbytes\"}, quantised weights"},
        {pipeline, kTransformer, {{"torch_dtype", "float8_e4m3fn"}}, "torch_dtype is \"float8"},
        {pipeline,
         kTransformer,
         {{"_class_name", "FluxTransformer2DModel"}},
         "_class_name is \"FluxTransformer2DModel\", a "},
        {pipeline,
         kTransformer,
         {{"_class_name", "Transformer2DModel"}, {"norm_type", "ada_norm"}},
         "_class_name is \"Transformer2DModel\", a "},
    };
    for (const Change& change : table) expect_refused(change);
  }
}

TEST(ComponentRefusals, BasicBlocks) {
  for (const char* pipeline : {kDit, kPixArt, kLatte}) {
    SCOPED_TRACE(pipeline);
    const Change table[] = {
        {pipeline,
         kTransformer,
         {{"activation_fn", "geglu"}},
         "activation_fn is \"geglu\", only \"gelu-approximate\" is supported"},
        {pipeline, kTransformer, {{"norm_type", "layer_norm"}}, "norm_type is \"layer_norm\""},
        {pipeline,
         kTransformer,
         {{"norm_elementwise_affine", true}},
         "norm_elementwise_affine is true"},
        {pipeline, kTransformer, {{"upcast_attention", true}}, "upcast_attention is true"},
        {pipeline, kTransformer, {{"attention_type", "gated"}}, "attention_type is \"gated\""},
        {pipeline, kTransformer, {{"only_cross_attention", true}}, "only_cross_attention is true"},
        {pipeline, kTransformer, {{"double_self_attention", true}}, "double_self_attention is"},
        {pipeline, kTransformer, {{"num_vector_embeds", 8}}, "num_vector_embeds is 8"},
        {pipeline, kTransformer, {{"norm_eps", 0}}, "norm_eps is 0"},
        {pipeline, kTransformer, {{"attention_bias", 1}}, "attention_bias is 1"},
    };
    for (const Change& change : table) expect_refused(change);
  }
}

TEST(ComponentRefusals, OneTransformerEach) {
  const Change table[] = {
      {kDit, kTransformer, {{"num_embeds_ada_norm", nullptr}}, "num_embeds_ada_norm is null"},
      {kDit, kTransformer, {{"num_embeds_ada_norm", 0}}, "num_embeds_ada_norm is 0"},
      {kDit,
       kTransformer,
       {{"out_channels", 5}},
       "out_channels is 5, must be in_channels, which is 4, or twice that"},
      {kPixArt, kTransformer, {{"cross_attention_dim", 6}}, "cross_attention_dim is 6, must be"},
      {kPixArt, kTransformer, {{"cross_attention_dim", nullptr}}, "cross_attention_dim is null"},
      {kPixArt, kTransformer, {{"caption_channels", nullptr}}, "caption_channels is null"},
      {kPixArt,
       kTransformer,
       {{"use_additional_conditions", true}},
       "use_additional_conditions is true, needs a width divisible by 3"},
      {kPixArt, kTransformer, {{"interpolation_scale", 0}}, "interpolation_scale is 0"},
      {kLatte, kTransformer, {{"cross_attention_dim", nullptr}}, "cross_attention_dim is null"},
      {kLatte, kTransformer, {{"norm_type", nullptr}}, "norm_type is null"},
      {kLatte, kTransformer, {{"activation_fn", nullptr}}, "activation_fn is null"},
      {kLatte, kTransformer, {{"norm_elementwise_affine", nullptr}}, "norm_elementwise_affine is"},
      {kLatte, kTransformer, {{"patch_size", nullptr}}, "patch_size is null"},
      {kLatte, kTransformer, {{"video_length", 0}}, "video_length is 0"},
      {kSd3,
       kTransformer,
       {{"caption_projection_dim", 16}},
       "caption_projection_dim is 16, must be num_attention_heads x attention_head_dim"},
      {kSd3, kTransformer, {{"pos_embed_max_size", nullptr}}, "pos_embed_max_size is null"},
      {kSd3,
       kTransformer,
       {{"pos_embed_max_size", 3}},
       "pos_embed_max_size is 3, must cover the 4 tokens of sample_size"},
      {kSd3, kTransformer, {{"out_channels", 8}}, "out_channels is 8, must be in_channels"},
      {kSd3, kTransformer, {{"qk_norm", "layer_norm"}}, "qk_norm is \"layer_norm\""},
      {kSd3,
       kTransformer,
       {{"dual_attention_layers", {0, 2}}},
       "dual_attention_layers is [0,2], must be a list of blocks from 0 to 1"},
      {kSd3, kTransformer, {{"dual_attention_layers", {-1}}}, "dual_attention_layers is [-1]"},
      {kSd3, kTransformer, {{"dual_attention_layers", 1}}, "dual_attention_layers is 1"},
  };
  for (const Change& change : table) expect_refused(change);
}

TEST(ComponentRefusals, Vae) {
  const Change table[] = {
      {kDit,
       kVae,
       {{"latent_channels", 16}},
       "latent_channels is 16, but in_channels of transformer/config.json is 4"},
      {kDit, kVae, {{"block_out_channels", Json::array()}}, "block_out_channels is [], must list"},
      {kDit,
       kVae,
       {{"block_out_channels", {4, 7}}},
       "block_out_channels is [4,7], must list 1 to 8"},
      {kDit, kVae, {{"block_out_channels", {4, 1 << 20}}}, "block_out_channels is [4,1048576]"},
      {kDit, kVae, {{"block_out_channels", {2, 2, 2, 2, 2, 2, 2, 2, 2}}}, "block_out_channels is"},
      {kDit, kVae, {{"block_out_channels", {"4", "8"}}}, "block_out_channels is [\"4\",\"8\"]"},
      {kDit,
       kVae,
       {{"block_out_channels", nullptr}, {"norm_num_groups", 33}},
       "block_out_channels is null, must list 1 to 8 multiples of norm_num_groups (33)"},
      {kDit, kVae, {{"norm_num_groups", 0}}, "norm_num_groups is 0"},
      {kDit, kVae, {{"layers_per_block", 0}}, "layers_per_block is 0"},
      {kDit,
       kVae,
       {{"up_block_types", {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"}}},
       "up_block_types is [\"UpDecoderBlock2D\",\"AttnUpDecoderBlock2D\"], must be"},
      {kDit, kVae, {{"up_block_types", {"UpDecoderBlock2D"}}}, "for each of the 2 stages"},
      {kDit, kVae, {{"up_block_types", nullptr}}, "up_block_types is null"},
      {kDit, kVae, {{"act_fn", "gelu"}}, "act_fn is \"gelu\", only silu is supported"},
      {kDit, kVae, {{"out_channels", 1}}, "out_channels is 1, only 3 is supported"},
      {kDit, kVae, {{"scaling_factor", 0}}, "scaling_factor is 0"},
      {kDit, kVae, {{"scaling_factor", "0.18"}}, "scaling_factor is \"0.18\""},
      {kDit, kVae, {{"latents_mean", {0, 0, 0, 0}}}, "latents_mean is [0,0,0,0], only one factor"},
      {kDit, kVae, {{"sample_size", {16, 32}}}, "sample_size is [16,32]"},
      {kDit, kVae, {{"sample_size", {"a", "a"}}}, "sample_size is [\"a\",\"a\"]"},
      {kDit, kVae, {{"use_post_quant_conv", "no"}}, "use_post_quant_conv is \"no\""},
      {kDit, kVae, {{"dtype", "int8"}}, "dtype is \"int8\""},
  };
  for (const Change& change : table) expect_refused(change);
}

TEST(ComponentRefusals, T5) {
  for (const char* pipeline : {kPixArt, kLatte}) {
    const Change table[] = {
        {pipeline,
         kText,
         {{"feed_forward_proj", "relu"}},
         "feed_forward_proj is \"relu\", only gated-gelu (T5 1.1) is supported"},
        {pipeline, kText, {{"feed_forward_proj", "gated-silu"}}, "feed_forward_proj is"},
        {pipeline, kText, {{"feed_forward_proj", nullptr}}, "feed_forward_proj is null"},
        {pipeline, kText, {{"model_type", "umt5"}}, "model_type is \"umt5\""},
        {pipeline,
         kText,
         {{"d_model", 8}},
         "d_model is 8, but caption_channels of transformer/config.json is 6"},
        {pipeline, kText, {{"d_kv", 3}}, "d_kv is 3, must be even"},
        {pipeline, kText, {{"num_heads", 0}}, "num_heads is 0"},
        {pipeline, kText, {{"vocab_size", 1 << 30}}, "vocab_size is 1073741824"},
        {pipeline, kText, {{"eos_token_id", 11}}, "eos_token_id is 11"},
        {pipeline, kText, {{"relative_attention_num_buckets", 6}}, "must be a multiple of 4"},
        {pipeline, kText, {{"relative_attention_num_buckets", 2}}, "must be an integer from 4"},
        {pipeline,
         kText,
         {{"relative_attention_max_distance", 8}},
         "relative_attention_max_distance is 8, must be above 8"},
    };
    for (const Change& change : table) expect_refused(change);
  }
}

TEST(ComponentRefusals, Policy) {
  const char* file = "config.json";
  const Json one_part = {{{"name", "a"}, {"width", 1}}};
  const Change table[] = {
      {kPolicy,
       file,
       {{"_class_name", "ConditionalUnet1D"}},
       "_class_name is \"ConditionalUnet1D\", and there is no model_index.json; supported"},
      {kPolicy, file, {{"n_layer", nullptr}}, "n_layer is null, must be an integer from 1"},
      {kPolicy, file, {{"n_emb", 10}}, "n_emb is 10, must be a multiple of twice n_head"},
      {kPolicy, file, {{"n_emb", 2}}, "n_emb is 2"},
      {kPolicy, file, {{"output_dim", 3}}, "output_dim is 3, only 2 is supported"},
      {kPolicy, file, {{"n_cond_layers", 4}}, "n_cond_layers is 4, only 0 is supported"},
      {kPolicy, file, {{"causal_attn", false}}, "causal_attn is false, only true is supported"},
      {kPolicy, file, {{"obs_as_cond", false}}, "obs_as_cond is false"},
      {kPolicy, file, {{"time_as_cond", false}}, "time_as_cond is false"},
      {kPolicy, file, {{"n_action_steps", 4}}, "n_action_steps is 4, must end within the horizon"},
      {kPolicy, file, {{"first_action_step", 4}}, "first_action_step is 4"},
      {kPolicy, file, {{"horizon", 1 << 20}}, "horizon is 1048576"},
      {kPolicy, file, {{"obs_keys", one_part}}, "obs_keys is [{\"name\":\"a\",\"width\":1}], must"},
      {kPolicy, file, {{"obs_keys", nullptr}}, "obs_keys is null"},
      {kPolicy, file, {{"obs_keys", {{{"name", "a"}, {"width", 9}}}}}, "obs_keys is"},
      {kPolicy, file, {{"obs_keys", {{{"name", 1}, {"width", 3}}}}}, "obs_keys is"},
      {kPolicy, file, {{"obs_keys", {1, 2}}}, "obs_keys is [1,2]"},
      {kPolicy, file, {{"normalizer", Json::object()}}, "normalizer: a is missing"},
      {kPolicy, file, {{"normalizer", 1}}, "normalizer is 1"},
      {kPolicy,
       file,
       {{"normalizer", {{"a", {{"scale", {0}}, {"offset", {0}}}}}}},
       "normalizer: a: scale is [0], must list 1 numbers up to 1e+30, none of them 0"},
      {kPolicy,
       file,
       {{"normalizer", {{"a", {{"scale", {1}}, {"offset", {1e300}}}}}}},
       "normalizer: a: offset is [1e+300]"},
      {kPolicy,
       file,
       {{"normalizer", {{"a", {{"scale", {1, 2}}, {"offset", {0}}}}}}},
       "normalizer: a: scale is [1,2], must list 1"},
      {kPolicy,
       file,
       {{"normalizer", {{"a", {{"scale", {"x"}}, {"offset", {0}}}}}}},
       "normalizer: a: scale is [\"x\"]"},
      {kPolicy, file, {{"scheduler", nullptr}}, "scheduler is null"},
      {kPolicy, file, {{"scheduler", "ddpm"}}, "scheduler is \"ddpm\""},
  };
  for (const Change& change : table) expect_refused(change);
}

TEST(ComponentRefusals, UnknownKeysAreNotedNotRefused) {
  const SmallFiles files = changed({kDit, kTransformer, {{"shiny", 1}, {"_private", 2}}, ""});
  const absl::StatusOr<PipelineConfig> config = parse_pipeline_config(texts(files));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->notes,
              ::testing::ElementsAre("transformer/config.json: \"shiny\" is not known, ignored"));
  Json many;
  for (int key = 0; key < 1000; ++key) many["key" + std::to_string(key)] = key;
  const auto noisy = parse_pipeline_config(texts(changed({kDit, kVae, many, ""})));
  ASSERT_TRUE(noisy.ok()) << noisy.status();
  EXPECT_EQ(noisy->notes.size(), 17u);
  EXPECT_EQ(noisy->notes.back(), "vae/config.json: 984 more keys are not known");
}

TEST(ComponentRefusals, HostileJsonIsOneClearError) {
  for (const char* pipeline : kPipelines) {
    for (const auto& [file, content] : small_files(pipeline)) {
      if (file == "scheduler/scheduler_config.json") continue;  // handed on as text
      for (const std::string& text :
           {std::string(), std::string("null"), std::string("[]"), std::string("{\"a\":"),
            std::string("{\"a\": NaN}"), std::string("\xff\xfe")}) {
        PipelineFiles files = texts(small_files(pipeline));
        files[file] = text;
        EXPECT_THAT(std::string(parse_pipeline_config(files).status().message()),
                    StartsWith(file + ": not "));
      }
      PipelineFiles files = texts(small_files(pipeline));
      files[file] = R"({"a":)";
      files[file].append(100000, '[');
      EXPECT_THAT(std::string(parse_pipeline_config(files).status().message()),
                  StartsWith(file + ": nested deeper than 64"));
    }
  }
}

}  // namespace
}  // namespace tessera
