// Folders that diffusers itself reads: each opens, and its files hold exactly the tensors its
// configs imply.
#include "engine/weights/diffusers/diffusers_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kFolders = TESSERA_SOURCE_DIR "/tests/golden/diffusion/";

DiffusersFolder opened(const std::string& name) {
  absl::StatusOr<DiffusersFolder> folder = DiffusersFolder::open(kFolders + name);
  if (!folder.ok()) ADD_FAILURE() << folder.status();
  return *std::move(folder);
}

void ask_for_all(const TensorFiles& files, const std::vector<ExpectedTensor>& expected) {
  for (const ExpectedTensor& tensor : expected) {
    const auto found = files.tensor(tensor.name, std::span<const int64_t>(tensor.shape));
    EXPECT_TRUE(found.ok()) << found.status();
  }
  EXPECT_THAT(files.unused(), IsEmpty());
}

TEST(GoldenFolders, HoldExactlyTheTensorsTheirConfigsImply) {
  for (const char* name : {"dit", "pixart", "pixart_sizes", "latte", "sd3", "sd3_dual", "policy"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(DiffusersFolder::is_at(kFolders + name));
    const DiffusersFolder folder = opened(name);
    const PipelineConfig& config = folder.config();
    EXPECT_FALSE(folder.check_all_used().ok()) << "nobody has asked yet";
    ask_for_all(folder.transformer(), expected_tensors(config.transformer));
    if (folder.vae() != nullptr) ask_for_all(*folder.vae(), expected_tensors(*config.vae));
    if (folder.text_encoder() != nullptr) {
      ask_for_all(*folder.text_encoder(), expected_tensors(*config.text_encoder));
    }
    EXPECT_TRUE(folder.check_all_used().ok());
    EXPECT_TRUE(folder.check_unchanged().ok());
    EXPECT_THAT(config.scheduler, HasSubstr("_class_name"));
    EXPECT_EQ(folder.weight_dtype(), DType::kF32);
  }
  EXPECT_FALSE(DiffusersFolder::is_at(kFolders));
  EXPECT_FALSE(DiffusersFolder::is_at(TESSERA_SOURCE_DIR "/tests/golden/models/llama_llama3"));
}

TEST(GoldenFolders, Dit) {
  const PipelineConfig config = opened("dit").config();
  EXPECT_EQ(config.pipeline, "DiTPipeline");
  const auto& dit = std::get<DitConfig>(config.transformer);
  EXPECT_EQ(dit.classes, 10);
  EXPECT_EQ(dit.width(), 36);
  EXPECT_EQ(dit.norm_epsilon, 0.1f);
  ASSERT_EQ(config.class_names.size(), 10u);
  EXPECT_EQ(config.class_names[7], "thing 7");
  EXPECT_EQ(config.vae->channels, (std::vector<int>{8, 8, 12, 12}));
  EXPECT_EQ(config.vae->resnets_per_stage, 2);
  EXPECT_EQ(config.vae->scaling_factor, 0.18215) << "the class default";
  EXPECT_EQ(config.vae->pixels_per_latent(), 8);
  EXPECT_THAT(config.notes, IsEmpty());
}

TEST(GoldenFolders, TheOtherPipelines) {
  const PipelineConfig pixart = opened("pixart").config();
  EXPECT_EQ(class_name(pixart.transformer), "PixArtTransformer2DModel");
  EXPECT_EQ(pixart.text_encoder->width, 32);
  EXPECT_EQ(pixart.text_encoder->head_width, 10);
  EXPECT_EQ(pixart.tokenizer_folder, "tokenizer");
  EXPECT_FALSE(std::get<PixArtConfig>(pixart.transformer).size_conditions);

  const PipelineConfig sizes = opened("pixart_sizes").config();
  EXPECT_TRUE(std::get<PixArtConfig>(sizes.transformer).size_conditions);
  EXPECT_EQ(std::get<PixArtConfig>(sizes.transformer).interpolation_scale, 2);
  EXPECT_FALSE(sizes.text_encoder.has_value());
  EXPECT_EQ(sizes.tokenizer_folder, "");

  EXPECT_EQ(std::get<LatteConfig>(opened("latte").config().transformer).frames, 5);

  const PipelineConfig dual = opened("sd3_dual").config();
  const auto& sd3 = std::get<Sd3Config>(dual.transformer);
  EXPECT_EQ(sd3.dual_attention, (std::vector<bool>{true, true, false}));
  EXPECT_TRUE(sd3.qk_norm);
  EXPECT_EQ(dual.vae->shift_factor, 0.0609);
  EXPECT_FALSE(dual.vae->post_quant_convolution);
}

TEST(GoldenFolders, Policy) {
  const PipelineConfig config = opened("policy").config();
  EXPECT_EQ(config.pipeline, "TransformerForDiffusion");
  const auto& policy = std::get<DiffusionPolicyConfig>(config.transformer);
  EXPECT_EQ(policy.horizon, 7);
  EXPECT_EQ(policy.observation_steps, 3);
  EXPECT_EQ(policy.first_action_step, 2);
  EXPECT_EQ(policy.action_steps, 4);
  EXPECT_EQ(policy.default_steps, 100);
  ASSERT_EQ(policy.observation_parts.size(), 1u);
  EXPECT_EQ(policy.observation_parts[0].name, "obs");
  ASSERT_EQ(policy.observation.scale.size(), 6u);
  EXPECT_EQ(policy.observation.scale[1], 1.015843152999878f);
  EXPECT_EQ(policy.action.offset[4], 0.4904472231864929f);
  EXPECT_THAT(config.scheduler, HasSubstr("squaredcos_cap_v2"));
  EXPECT_FALSE(config.vae.has_value());
}

}  // namespace
}  // namespace tessera
