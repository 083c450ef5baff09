#include "engine/weights/diffusers/model_index.h"

#include "engine/weights/diffusers/small_folders.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kIndex = "model_index.json";

std::string message_of(const absl::Status& status) { return std::string(status.message()); }

absl::Status parsed(const SmallFiles& files) {
  return parse_pipeline_config(texts(files)).status();
}

Json index_with(const std::string& pipeline, const Json& changes) {
  Json index = small_files(pipeline).at(kIndex);
  index.update(changes);
  return index;
}

std::string refusal_of(const Json& changes) {
  return message_of(parse_model_index(index_with("DiTPipeline", changes).dump()).status());
}

TEST(ModelIndex, ComponentsAreALibraryAndAClass) {
  const char* why = ", must be a library and a class, or two nulls";
  EXPECT_EQ(refusal_of({{"vae", 1}}), std::string("model_index.json: vae is 1") + why);
  for (const Json& value :
       {Json("AutoencoderKL"), Json::array(), Json{"diffusers"}, Json{"a", "b", "c"}, Json{1, 2},
        Json{nullptr, "AutoencoderKL"}, Json{"diffusers", nullptr}, Json::object(), Json(true),
        Json{"diffusers", std::string(1000, 'x')}}) {
    EXPECT_THAT(refusal_of({{"vae", value}}), HasSubstr("model_index.json: vae is ")) << value;
  }
  EXPECT_THAT(refusal_of({{"_class_name", nullptr}}), HasSubstr("_class_name is null, supported"));
  EXPECT_THAT(refusal_of({{"_class_name", 3}}), HasSubstr("_class_name is 3"));
  EXPECT_THAT(message_of(parse_model_index("{}").status()), HasSubstr("_class_name is missing"));
  EXPECT_THAT(refusal_of({{"_class_name", std::string(100000, 'P')}}).size(), ::testing::Lt(1000u));
}

TEST(ModelIndex, ClassNamesFollowTheirLabels) {
  const auto names = [](const Json& labels) {
    return parse_model_index(index_with("DiTPipeline", {{"id2label", labels}}).dump());
  };
  EXPECT_THAT(names({{"1", "dog"}, {"0", "cat"}})->class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(names(nullptr)->class_names, IsEmpty());
  for (const Json& labels :
       {Json{{"1", "dog"}}, Json{{"0", "cat"}, {"00", "dog"}}, Json{{"x", "cat"}}, Json{{"0", 1}},
        Json{{"-0", "cat"}}, Json{{"", "cat"}}, Json{{"99999999999999999999999", "cat"}},
        Json{{"0", std::string(2000, 'x')}}}) {
    EXPECT_THAT(message_of(names(labels).status()), HasSubstr("id2label is unusable, must give"))
        << labels;
  }
  EXPECT_THAT(message_of(names(7).status()), HasSubstr("id2label is 7"));
  SmallFiles files = small_files("DiTPipeline");
  files[kIndex]["id2label"] = {{"0", "cat"}};
  EXPECT_EQ(message_of(parsed(files)),
            "model_index.json: id2label names 1 classes, num_embeds_ada_norm of "
            "transformer/config.json is 3");
}

TEST(ModelIndex, TransformerAndSchedulerMustBeThere) {
  for (const auto& [component, file] : {std::pair{"transformer", "transformer/config.json"},
                                        {"scheduler", "scheduler/scheduler_config.json"}}) {
    SmallFiles files = small_files("LattePipeline");
    files.erase(file);
    EXPECT_EQ(message_of(parsed(files)), std::string(file) +
                                             ": missing, though model_index.json "
                                             "names a " +
                                             component);
    EXPECT_EQ(parsed(files).code(), absl::StatusCode::kNotFound);
    files = small_files("LattePipeline");
    files[kIndex][component] = {nullptr, nullptr};
    EXPECT_EQ(message_of(parsed(files)), std::string("model_index.json: ") + component +
                                             " is missing, a LattePipeline needs it");
  }
}

TEST(ModelIndex, OtherComponentsMayBeAbsent) {
  SmallFiles files = small_files("PixArtAlphaPipeline");
  files[kIndex]["text_encoder"] = files[kIndex]["tokenizer"] = {nullptr, nullptr};
  files[kIndex].erase("vae");
  const absl::StatusOr<PipelineConfig> without = parse_pipeline_config(texts(files));
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_FALSE(without->vae.has_value());
  EXPECT_FALSE(without->text_encoder.has_value());
  EXPECT_THAT(without->notes, ElementsAre("vae: none; answers are latents",
                                          "text_encoder: none; prompts come as embeddings"));

  files = small_files("PixArtAlphaPipeline");
  files.erase("text_encoder/config.json");
  files.erase("vae/config.json");
  const absl::StatusOr<PipelineConfig> undelivered = parse_pipeline_config(texts(files));
  ASSERT_TRUE(undelivered.ok()) << undelivered.status();
  EXPECT_THAT(undelivered->notes,
              ElementsAre("vae is named but its folder is not there; answers are latents",
                          "text_encoder is named but its folder is not there; prompts come as "
                          "embeddings"));
  EXPECT_EQ(undelivered->tokenizer_folder, "");
}

TEST(ModelIndex, ClassesOfComponents) {
  const auto with = [](const char* pipeline, const char* component, const char* name) {
    SmallFiles files = small_files(pipeline);
    files[kIndex][component][1] = name;
    return parsed(files);
  };
  EXPECT_EQ(
      message_of(with("LattePipeline", "vae", "AutoencoderKLTemporalDecoder")),
      "model_index.json: vae is of class \"AutoencoderKLTemporalDecoder\", a LattePipeline is "
      "served with AutoencoderKL");
  EXPECT_THAT(message_of(with("LattePipeline", "text_encoder", "UMT5EncoderModel")),
              HasSubstr("text_encoder is of class \"UMT5EncoderModel\""));
  EXPECT_THAT(message_of(with("LattePipeline", "tokenizer", "GemmaTokenizer")),
              HasSubstr("tokenizer is of class \"GemmaTokenizer\""));
  EXPECT_TRUE(with("LattePipeline", "tokenizer", "T5TokenizerFast").ok());
  EXPECT_THAT(message_of(with("DiTPipeline", "transformer", "UNet2DConditionModel")),
              HasSubstr("transformer is of class \"UNet2DConditionModel\", a DiTPipeline is served "
                        "with DiTTransformer2DModel"));
  SmallFiles files = small_files("LattePipeline");
  files[kIndex].erase("tokenizer");
  EXPECT_THAT(message_of(parsed(files)), HasSubstr("tokenizer is missing"));
}

TEST(ModelIndex, TheLegacyClassIsToldApartByNormType) {
  for (const char* pipeline : {"DiTPipeline", "PixArtAlphaPipeline"}) {
    SmallFiles files = small_files(pipeline);
    const bool dit = std::string(pipeline) == "DiTPipeline";
    files[kIndex]["transformer"][1] = "Transformer2DModel";
    files["transformer/config.json"]["_class_name"] = "Transformer2DModel";
    files["transformer/config.json"]["norm_type"] = dit ? "ada_norm_zero" : "ada_norm_single";
    EXPECT_TRUE(parsed(files).ok()) << parsed(files);
    files["transformer/config.json"].erase("_class_name");
    EXPECT_TRUE(parsed(files).ok()) << parsed(files);
    files["transformer/config.json"]["_class_name"] = "Transformer2DModel";
    files["transformer/config.json"]["norm_type"] = dit ? "ada_norm_single" : "ada_norm_zero";
    EXPECT_THAT(message_of(parsed(files)),
                HasSubstr("transformer/config.json: _class_name is \"Transformer2DModel\", a "));
  }
}

TEST(ModelIndex, AFolderWithoutAnIndexIsAPolicyOrNothing) {
  EXPECT_THAT(message_of(parse_pipeline_config({}).status()),
              HasSubstr("has neither model_index.json nor config.json; supported pipelines are"));
  EXPECT_THAT(message_of(parsed({{"config.json", {{"architectures", {"LlamaForCausalLM"}}}}})),
              HasSubstr("config.json: _class_name is missing, and there is no model_index.json"));
  SmallFiles both = small_files("DiTPipeline");
  both["config.json"] = small_policy();
  EXPECT_EQ(parse_pipeline_config(texts(both))->pipeline, "DiTPipeline");
}

}  // namespace
}  // namespace tessera
