#include "engine/weights/model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "engine/weights/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kConfig =
    R"({"architectures":["LlamaForCausalLM"],"hidden_size":4,"num_attention_heads":2,)"
    R"("num_hidden_layers":1,"intermediate_size":8,"vocab_size":3,"torch_dtype":"float32"})";

std::string one_tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                       const std::string& data) {
  return safetensors_bytes("{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
                               ",\"data_offsets\":[0," + std::to_string(data.size()) + "]}}",
                           data);
}

std::string message_of(const absl::Status& status) { return std::string(status.message()); }

std::string refusal(const TemporaryFolder& folder) {
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  EXPECT_FALSE(model.ok());
  return message_of(model.status());
}

TEST(ModelFolder, ReadsASingleFile) {
  TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write(
      "model.safetensors",
      safetensors_bytes(
          R"({"model.embed_tokens.weight":{"dtype":"BF16","shape":[3,4],"data_offsets":[0,24]},)"
          R"("extra":{"dtype":"I64","shape":[1],"data_offsets":[24,32]}})",
          std::string(24, '\x3f') + std::string(8, '\0')));
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->config().architecture, "LlamaForCausalLM");
  EXPECT_EQ(model->config().weight_dtype, DType::kBf16) << "the file knows better";
  EXPECT_TRUE(model->config().tied_embeddings) << "no lm_head";
  EXPECT_EQ(model->tensors().tensor_bytes(), 32u);
  EXPECT_THAT(model->tensors().unused(), ElementsAre("extra", "model.embed_tokens.weight"));
  const absl::StatusOr<RawTensor> tensor =
      model->tensors().tensor("model.embed_tokens.weight", {3, 4});
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->dtype, DType::kBf16);
  ASSERT_EQ(tensor->bytes.size(), 24u);
  EXPECT_EQ(tensor->bytes[23], std::byte{0x3f});
  EXPECT_THAT(model->tensors().unused(), ElementsAre("extra"));
  model->tensors().release(*tensor);
  EXPECT_EQ(tensor->bytes[23], std::byte{0x3f});
  EXPECT_TRUE(model->tensors().check_unchanged().ok());
}

TEST(ModelFolder, ErrorsOfLookupNameFileTensorAndShapes) {
  TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", one_tensor("a", "I64", "[1]", "12345678"));
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(message_of(model->tensors().tensor("b", {2, 3}).status()),
              HasSubstr("model.safetensors: tensor \"b\" of shape [2, 3] is missing"));
  EXPECT_THAT(message_of(model->tensors().tensor("a", {1, 1}).status()),
              HasSubstr("tensor \"a\" has shape [1], config.json needs [1, 1]"));
  EXPECT_THAT(message_of(model->tensors().tensor("a", {1}).status()),
              HasSubstr("tensor \"a\" has dtype I64, supported are F32, F16 and BF16"));
}

TEST(ModelFolder, TheIndexDecidesWhichShardHoldsATensor) {
  TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("one.safetensors", one_tensor("a", "F32", "[1]", "aaaa"));
  folder.write("two.safetensors",
               safetensors_bytes(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                 R"("b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}})",
                                 "AAAAbb"));
  folder.write("consolidated.safetensors", "not read");
  folder.write("model.safetensors", "not read");
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":6},)"
               R"("weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->tensors().names(), ElementsAre("a", "b"));
  EXPECT_EQ(model->tensors().tensor("a", {1})->bytes[0], std::byte{'a'});
  EXPECT_EQ(model->tensors().tensor("b", {1})->dtype, DType::kF16);
}

TEST(ModelFolder, HostileIndexFilesAreRefused) {
  TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("one.safetensors", one_tensor("a", "F32", "[1]", "aaaa"));
  const auto with_index = [&](const std::string& index) {
    folder.write("model.safetensors.index.json", index);
    return refusal(folder);
  };
  for (const char* name : {"../one.safetensors", "sub/one.safetensors", "/etc/passwd", "..", "",
                           ".safetensors", "model.bin", "one.safetensors\\u0000"}) {
    EXPECT_THAT(with_index(std::string(R"({"weight_map":{"a":")") + name + "\"}}"),
                HasSubstr("without '/' or a leading '.'"))
        << name;
  }
  EXPECT_THAT(with_index(R"({"weight_map":{"a":1}})"), HasSubstr("names 1 for tensor \"a\""));
  EXPECT_THAT(with_index(R"({"weight_map":[]})"), HasSubstr("weight_map is [], must be an object"));
  EXPECT_THAT(with_index("{}"), HasSubstr("weight_map is missing"));
  EXPECT_THAT(with_index("{"), HasSubstr("index.json: not valid JSON"));
  EXPECT_THAT(with_index(R"({"weight_map":{"a":"gone.safetensors"}})"),
              HasSubstr("gone.safetensors: cannot open"));
  EXPECT_THAT(with_index(R"({"weight_map":{"z":"one.safetensors"}})"),
              HasSubstr("tensor \"z\" is in one.safetensors, which does not hold it"));
  EXPECT_THAT(with_index(std::string((8 << 20) + 1, ' ')), HasSubstr("more than the limit"));
}

TEST(ModelFolder, HubCacheSymlinksWork) {
  TemporaryFolder blobs;
  TemporaryFolder folder;
  blobs.write("0123", kConfig);
  blobs.write("4567", one_tensor("a", "F32", "[1]", "aaaa"));
  std::filesystem::create_symlink(blobs.path("0123"), folder.path("config.json"));
  std::filesystem::create_symlink(blobs.path("4567"), folder.path("model.safetensors"));
  EXPECT_TRUE(ModelFolder::open(folder.path()).ok());
  std::filesystem::create_symlink(blobs.path("none"), folder.path("generation_config.json"));
  EXPECT_THAT(refusal(folder), HasSubstr("generation_config.json: cannot open"));
}

TEST(ModelFolder, MissingFilesAreNamed) {
  TemporaryFolder folder;
  EXPECT_THAT(refusal(folder), HasSubstr("config.json: cannot open"));
  folder.write("config.json", kConfig);
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(refusal(folder), HasSubstr("has neither model.safetensors nor"));
  folder.write("config.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(refusal(folder), HasSubstr("more than the limit of 1048576"));
  folder.write("config.json", "{}");
  EXPECT_THAT(refusal(folder), HasSubstr(folder.path("config.json") + ": architectures"));
}

TEST(ModelFolder, ATensorNobodyAskedForIsAnError) {
  TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors",
               safetensors_bytes(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                 R"("model.layers.0.self_attn.rotary_emb.inv_freq":)"
                                 R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                                 R"("model.layers.0.self_attn.q_proj.bias":)"
                                 R"({"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                 "aaaabbbbcccc"));
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE(model->tensors().tensor("a", {1}).ok());
  EXPECT_THAT(message_of(model->check_all_used()),
              HasSubstr("model.safetensors: tensor \"model.layers.0.self_attn.q_proj.bias\" is not "
                        "part of a LlamaForCausalLM as config.json describes it"));
  ASSERT_TRUE(model->tensors().tensor("model.layers.0.self_attn.q_proj.bias", {1}).ok());
  EXPECT_TRUE(model->check_all_used().ok());
}

// Pages of mapped files in this process, from the third number of /proc/self/statm.
int64_t shared_pages() {
  std::ifstream in("/proc/self/statm");
  int64_t total = 0, resident = 0, shared = 0;
  in >> total >> resident >> shared;
  return shared;
}

TEST(ModelFolder, ReleaseDropsThePagesOfATensor) {
  constexpr int64_t kBytes = 32 << 20;
  TemporaryFolder folder;
  std::string data;
  data.resize(kBytes, 'x');
  folder.write("w", one_tensor("a", "U8", "[33554432]", data));
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::open(folder.path("w"));
  ASSERT_TRUE(file.ok()) << file.status();
  const std::span<const std::byte> bytes = file->bytes(file->tensors().at("a"));
  const int64_t pages = kBytes / ::sysconf(_SC_PAGESIZE);
  const int64_t before = shared_pages();
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte{'x'}), kBytes);
  EXPECT_GE(shared_pages(), before + pages * 9 / 10);
  file->release(bytes);
  EXPECT_LE(shared_pages(), before + pages / 10);
}

// The two tensors of a tie that config.json declares, with the given bytes in the head.
bool tied(const std::string& head_dtype, const std::string& head) {
  TemporaryFolder folder;
  std::string config = kConfig;
  config.insert(1, R"("tie_word_embeddings":true,)");
  folder.write("config.json", config);
  folder.write(
      "model.safetensors",
      safetensors_bytes(
          R"({"model.embed_tokens.weight":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("lm_head.weight":{"dtype":")" +
              head_dtype + R"(","shape":[4],"data_offsets":[4,8]}})",
          "abcd" + head));
  const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
  EXPECT_TRUE(model.ok()) << model.status();
  return model->config().tied_embeddings;
}

TEST(ModelFolder, ADeclaredTieOfTensorsThatDifferIsNone) {
  EXPECT_TRUE(tied("U8", "abcd"));
  EXPECT_FALSE(tied("U8", "abce"));
  EXPECT_FALSE(tied("I8", "abcd"));
}

}  // namespace
}  // namespace tessera
