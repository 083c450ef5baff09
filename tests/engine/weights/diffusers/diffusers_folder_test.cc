// Whole folders on disk, hostile ones above all: every error names component, file and tensor.
#include "engine/weights/diffusers/diffusers_folder.h"

#include "engine/weights/diffusers/small_folders.h"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTransformer = "transformer/diffusion_pytorch_model.safetensors";
constexpr const char* kVae = "vae/diffusion_pytorch_model.safetensors";
constexpr const char* kText = "text_encoder/model.safetensors";

std::vector<ExpectedTensor> tensors_of(const char* pipeline, const std::string& file) {
  const PipelineConfig config = *parse_pipeline_config(texts(small_files(pipeline)));
  if (file == kVae) return expected_tensors(*config.vae);
  if (file == kText) return expected_tensors(*config.text_encoder);
  return expected_tensors(config.transformer);
}

struct Place {
  const char* pipeline;
  const char* file;
};
const Place kPlaces[] = {{"DiTPipeline", kTransformer},
                         {"PixArtAlphaPipeline", kTransformer},
                         {"LattePipeline", kTransformer},
                         {"StableDiffusion3Pipeline", kTransformer},
                         {"TransformerForDiffusion", "model.safetensors"},
                         {"DiTPipeline", kVae},
                         {"PixArtAlphaPipeline", kText}};

TEST(DiffusersFolder, SmallFoldersOpen) {
  for (const Place& place : kPlaces) {
    const TemporaryFolder folder;
    write_small_folder(folder, small_files(place.pipeline));
    const auto opened = DiffusersFolder::open(folder.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_GT(opened->tensor_bytes(), 0u);
  }
}

// Each tensor in turn is missing or misshapen; also one too many, and one of a type nobody packs.
TEST(DiffusersFolder, ATensorThatDoesNotFitIsNamed) {
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(std::string(place.pipeline) + " " + place.file);
    const TemporaryFolder folder;
    write_small_folder(folder, small_files(place.pipeline));
    const std::string at = folder.path(place.file) + ": tensor \"";
    const std::vector<ExpectedTensor> all = tensors_of(place.pipeline, place.file);
    for (size_t index = 0; index < all.size(); ++index) {
      std::vector<ExpectedTensor> tensors = all;
      tensors[index].shape[0] += 1;
      folder.write(place.file, tensor_bytes(tensors));
      EXPECT_THAT(refusal(folder), StartsWith(at + all[index].name + "\" has shape ["));
      tensors = all;
      tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(index));
      folder.write(place.file, tensor_bytes(tensors));
      EXPECT_THAT(refusal(folder), StartsWith(at + all[index].name + "\" of shape ["));
      EXPECT_THAT(refusal(folder), EndsWith("] is missing"));
    }
    std::vector<ExpectedTensor> tensors = all;
    tensors.front().shape.push_back(1);
    folder.write(place.file, tensor_bytes(tensors));
    EXPECT_THAT(refusal(folder), StartsWith(at + all.front().name + "\" has shape ["));
    tensors = all;
    tensors.push_back({"an.adapter.weight", {1}});
    folder.write(place.file, tensor_bytes(tensors));
    EXPECT_THAT(refusal(folder), StartsWith(at + "an.adapter.weight\" is not part of a "));
    folder.write(place.file, tensor_bytes(all, "F64"));
    EXPECT_THAT(refusal(folder), EndsWith("\" has dtype F64, supported are F32, F16 and BF16"));
    folder.write(place.file, tensor_bytes(all, "BF16"));
    EXPECT_TRUE(DiffusersFolder::open(folder.path()).ok());
  }
}

TEST(DiffusersFolder, BrokenWeightFilesAreNamed) {
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(std::string(place.pipeline) + " " + place.file);
    const TemporaryFolder folder;
    write_small_folder(folder, small_files(place.pipeline));
    const std::string whole = tensor_bytes(tensors_of(place.pipeline, place.file));
    for (const std::string& broken :
         {std::string(), whole.substr(0, 7), whole.substr(0, 20), whole.substr(0, whole.size() / 2),
          whole.substr(0, whole.size() - 1), whole + "x",
          std::string(8, '\xff') + whole.substr(8)}) {
      folder.write(place.file, broken);
      EXPECT_THAT(refusal(folder), StartsWith(folder.path(place.file) + ": "));
    }
    std::filesystem::remove(folder.path(place.file));
    EXPECT_THAT(refusal(folder), HasSubstr(": has neither "));
    folder.write(std::string(place.file) + ".bin", "");
    EXPECT_THAT(refusal(folder), HasSubstr("a pickle, is never opened: convert it to safetensors"));
  }
}

TEST(DiffusersFolder, ShardsAndSymlinksWork) {
  const TemporaryFolder folder, blobs;
  write_small_folder(folder, small_files("DiTPipeline"));
  const std::vector<ExpectedTensor> all = tensors_of("DiTPipeline", kTransformer);
  std::filesystem::remove(folder.path(kTransformer));
  Json map;
  for (size_t half = 0; half < 2; ++half) {
    const size_t middle = all.size() / 2, begin = half * middle;
    const std::vector<ExpectedTensor> part(all.begin() + begin,
                                           half == 0 ? all.begin() + middle : all.end());
    const std::string name = half == 0 ? "one.safetensors" : "two.safetensors";
    blobs.write(name, tensor_bytes(part));
    std::filesystem::create_symlink(blobs.path(name), folder.path("transformer/" + name));
    for (const ExpectedTensor& tensor : part) map[tensor.name] = name;
  }
  const std::string index = "transformer/diffusion_pytorch_model.safetensors.index.json";
  folder.write(index, Json{{"weight_map", map}}.dump());
  EXPECT_TRUE(DiffusersFolder::open(folder.path()).ok());
  map.erase("proj_out_2.bias");
  folder.write(index, Json{{"weight_map", map}}.dump());
  EXPECT_THAT(refusal(folder), StartsWith(folder.path(index) + ": tensor \"proj_out_2.bias\" of"));
  map["proj_out_2.bias"] = "../../secret.safetensors";
  folder.write(index, Json{{"weight_map", map}}.dump());
  EXPECT_THAT(refusal(folder), HasSubstr("without '/' or a leading '.'"));
}

TEST(DiffusersFolder, TheHalfPrecisionVariantServesWhereItIsAlone) {
  const TemporaryFolder folder;
  write_small_folder(folder, small_files("DiTPipeline"));
  const std::string variant = "transformer/diffusion_pytorch_model.fp16.safetensors";
  folder.write(variant, tensor_bytes(tensors_of("DiTPipeline", kTransformer), "F16"));
  EXPECT_EQ(DiffusersFolder::open(folder.path())->weight_dtype(), DType::kF32);
  std::filesystem::remove(folder.path(kTransformer));
  const absl::StatusOr<DiffusersFolder> opened = DiffusersFolder::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->weight_dtype(), DType::kF16);
}

std::vector<ExpectedTensor> with_copies(const std::string& except = "") {
  std::vector<ExpectedTensor> tensors = tensors_of("DiTPipeline", kTransformer);
  const std::string first = "transformer_blocks.0.norm1.emb.";
  for (size_t index = 0, count = tensors.size(); index < count; ++index) {
    if (!tensors[index].name.starts_with(first)) continue;
    const std::string copy =
        "transformer_blocks.1.norm1.emb." + tensors[index].name.substr(first.size());
    if (copy != except) tensors.push_back({copy, tensors[index].shape});
  }
  return tensors;
}

TEST(DiffusersFolder, CopiesOfTheEmbeddersMustBeEqual) {
  const TemporaryFolder folder;
  write_small_folder(folder, small_files("DiTPipeline"));
  const uint64_t bytes = DiffusersFolder::open(folder.path())->tensor_bytes();
  const std::string copies = tensor_bytes(with_copies());
  folder.write(kTransformer, copies);
  const absl::StatusOr<DiffusersFolder> opened = DiffusersFolder::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->tensor_bytes(), bytes) << "copies are not kept";
  // The class table is the last tensor of the file.
  std::string differing = copies;
  differing.back() = 1;
  folder.write(kTransformer, differing);
  EXPECT_EQ(refusal(folder),
            folder.path(kTransformer) +
                ": tensor \"transformer_blocks.1.norm1.emb.class_embedder.embedding_table.weight\" "
                "differs from "
                "\"transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight\"; one "
                "embedder must serve all blocks");
  std::vector<ExpectedTensor> misshapen = with_copies();
  misshapen.back().shape.push_back(1);
  folder.write(kTransformer, tensor_bytes(misshapen));
  EXPECT_THAT(refusal(folder), HasSubstr("differs from"));
  folder.write(
      kTransformer,
      tensor_bytes(with_copies("transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.bias")));
  EXPECT_TRUE(DiffusersFolder::open(folder.path()).ok()) << "a copy may be left out";
}

TEST(DiffusersFolder, LeftoversOfOlderVersionsAreNotRead) {
  const TemporaryFolder folder;
  write_small_folder(folder, small_files("LattePipeline"));
  std::vector<ExpectedTensor> tensors = tensors_of("LattePipeline", kTransformer);
  for (const char* name :
       {"pos_embed.pos_embed", "temp_pos_embed", "caption_projection.y_embedding"}) {
    tensors.push_back({name, {2, 2}});
  }
  folder.write(kTransformer, tensor_bytes(tensors));
  const absl::StatusOr<DiffusersFolder> opened = DiffusersFolder::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_FALSE(opened->transformer().has("temp_pos_embed"));
}

// Old names, 1 x 1 convolutions instead of linears, an encoder beside the decoder.
TEST(DiffusersFolder, OldFormsOfTheVaeAreSettled) {
  const TemporaryFolder folder;
  write_small_folder(folder, small_files("DiTPipeline"));
  const std::string attention = "decoder.mid_block.attentions.0.";
  std::vector<ExpectedTensor> tensors = tensors_of("DiTPipeline", kVae);
  for (ExpectedTensor& tensor : tensors) {
    for (const auto& [now, before] : {std::pair{"to_q", "query"},
                                      {"to_k", "key"},
                                      {"to_v", "value"},
                                      {"to_out.0", "proj_attn"}}) {
      const std::string prefix = attention + now + ".";
      if (!tensor.name.starts_with(prefix)) continue;
      const std::string end = tensor.name.substr(prefix.size());
      tensor.name = attention + before + "." + end;
      if (end == "weight") tensor.shape = {8, 8, 1, 1};
    }
  }
  tensors.push_back({"encoder.conv_in.weight", {2}});
  tensors.push_back({"quant_conv.weight", {2}});
  folder.write(kVae, tensor_bytes(tensors));
  const absl::StatusOr<DiffusersFolder> opened = DiffusersFolder::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->vae()->tensor(attention + "to_out.0.weight", {8, 8}).ok());
  EXPECT_FALSE(opened->vae()->has("encoder.conv_in.weight"));

  for (ExpectedTensor& tensor : tensors) {
    if (tensor.name == attention + "key.weight") tensor.shape = {8, 8, 1, 2};
  }
  folder.write(kVae, tensor_bytes(tensors));
  EXPECT_EQ(refusal(folder), folder.path(kVae) + ": tensor \"" + attention +
                                 "key.weight\" has shape [8, 8, 1, 2], config.json needs [8, 8]")
      << "the name in the file";
}

TEST(DiffusersFolder, TheEmbeddingOfT5HasTwoNames) {
  const TemporaryFolder folder;
  write_small_folder(folder, small_files("PixArtAlphaPipeline"));
  std::vector<ExpectedTensor> tensors = tensors_of("PixArtAlphaPipeline", kText);
  tensors.push_back({"encoder.embed_tokens.weight", {11, 6}});
  tensors.push_back({"decoder.block.0.layer.0.SelfAttention.q.weight", {6, 6}});
  folder.write(kText, tensor_bytes(tensors));
  EXPECT_TRUE(DiffusersFolder::open(folder.path()).ok());
  for (ExpectedTensor& tensor : tensors) {
    if (tensor.name == "shared.weight") tensor.name = "unrelated";
  }
  folder.write(kText, tensor_bytes(tensors));
  EXPECT_THAT(refusal(folder), HasSubstr("\"unrelated\" is not part of a T5EncoderModel"));
}

TEST(DiffusersFolder, JsonFilesAreBoundedAndNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder), HasSubstr(folder.path("has neither")));
  EXPECT_FALSE(DiffusersFolder::is_at(folder.path()));
  write_small_folder(folder, small_files("PixArtAlphaPipeline"));
  EXPECT_TRUE(DiffusersFolder::is_at(folder.path()));
  for (const auto& [name, content] : small_files("PixArtAlphaPipeline")) {
    folder.write(name, std::string((1 << 20) + 1, ' '));
    EXPECT_THAT(refusal(folder), StartsWith(folder.path(name) + ": holds 1048577 bytes"));
    std::filesystem::remove(folder.path(name));
    std::filesystem::create_directory(folder.path(name));
    EXPECT_THAT(refusal(folder), StartsWith(folder.path(name)));
    std::filesystem::remove(folder.path(name));
    std::filesystem::create_symlink(folder.path("none"), folder.path(name));
    EXPECT_THAT(refusal(folder), StartsWith(folder.path(name) + ": cannot open"));
    std::filesystem::remove(folder.path(name));
    folder.write(name, content.dump());
  }
  EXPECT_TRUE(DiffusersFolder::open(folder.path()).ok());
  folder.write("vae/config.json", R"({"act_fn": "mish"})");
  EXPECT_THAT(refusal(folder), StartsWith(folder.path("vae/config.json") + ": act_fn is \"mish\""));
}

}  // namespace
}  // namespace tessera
