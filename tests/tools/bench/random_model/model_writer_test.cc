#include "tools/bench/random_model/model_writer.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "engine/weights/expected_tensors.h"
#include "engine/weights/model_folder.h"
#include "support/temporary_folder.h"
#include "tools/bench/random_model/tokenizer_file.h"
#include "tools/bench/random_model/weight_files.h"

namespace tessera {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The published shape made narrow, so that the test writes kilobytes.
ModelShape narrow(const std::string& name) {
  ModelShape shape = *find_shape(name);
  shape.config.update(nlohmann::ordered_json{{"hidden_size", 32},
                                             {"intermediate_size", 48},
                                             {"num_attention_heads", 2},
                                             {"num_key_value_heads", 1},
                                             {"head_dim", 16},
                                             {"state_size", 48},
                                             {"max_window_layers", 0}});
  return shape;
}

TEST(ModelWriter, EveryShapeOpensWithAllItsTensors) {
  for (const std::string& name : shape_names()) {
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    RandomModelOptions options;
    options.folder = folder.path();
    options.layers = 2;
    const absl::StatusOr<uint64_t> bytes = write_random_model(narrow(name), options);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const absl::StatusOr<ModelFolder> model = ModelFolder::open(folder.path());
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->config().layers, 2);
    EXPECT_EQ(model->config().weight_dtype, DType::kBf16);
    EXPECT_EQ(model->tensors().tensor_bytes(), *bytes);
    for (const ExpectedTensor& expected : expected_tensors(model->config())) {
      EXPECT_TRUE(
          model->tensors().tensor(expected.name, std::span<const int64_t>(expected.shape)).ok())
          << expected.name;
    }
    EXPECT_THAT(model->tensors().unused(), ::testing::IsEmpty());
  }
}

TEST(ModelWriter, TheVocabularyEndsAtThePublishedSpecialTokens) {
  for (const std::string& name : shape_names()) {
    SCOPED_TRACE(name);
    const ModelShape shape = *find_shape(name);
    const TokenizerFiles files = make_tokenizer(shape.tokenizer);
    const nlohmann::ordered_json& added = files.tokenizer["added_tokens"];
    const size_t pieces = files.tokenizer["model"]["vocab"].size();
    const size_t ids = std::max<size_t>(pieces, added.back()["id"].get<size_t>() + 1);
    EXPECT_LE(ids, shape.config["vocab_size"].get<size_t>());
    EXPECT_GE(ids + 300, shape.config["vocab_size"].get<size_t>()) << "only padding is unnamed";
    const std::string end_token = files.config["eos_token"];
    bool found = false;
    for (const nlohmann::ordered_json& token : added) {
      found |= token["content"] == end_token && token["id"] == shape.config["eos_token_id"];
    }
    EXPECT_TRUE(found) << end_token;
  }
}

std::vector<ExpectedTensor> three_tensors() {
  return {{"a.weight", {100, 30}}, {"norm.weight", {7}}, {"b.weight", {64}}};
}

TEST(WeightFiles, SameSeedSameBytesWhateverTheShards) {
  const TemporaryFolder one, other, sharded, reseeded;
  WeightFileOptions options;
  options.dtype = DType::kF32;
  options.seed = 5;
  options.folder = one.path();
  ASSERT_TRUE(write_random_weights(three_tensors(), options).ok());
  options.folder = other.path();
  ASSERT_TRUE(write_random_weights(three_tensors(), options).ok());
  EXPECT_EQ(bytes_of(one.path("model.safetensors")), bytes_of(other.path("model.safetensors")));
  options.folder = sharded.path();
  options.max_shard_bytes = 1000;
  ASSERT_TRUE(write_random_weights(three_tensors(), options).ok());
  const auto whole = SafetensorsFile::open(one.path("model.safetensors"));
  const auto second = SafetensorsFile::open(sharded.path("model-00002-of-00002.safetensors"));
  ASSERT_TRUE(whole.ok() && second.ok()) << second.status();
  const auto a = whole->bytes(whole->tensors().at("b.weight"));
  const auto b = second->bytes(second->tensors().at("b.weight"));
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  options.folder = reseeded.path();
  options.seed = 6;
  options.max_shard_bytes = 1 << 20;
  ASSERT_TRUE(write_random_weights(three_tensors(), options).ok());
  EXPECT_NE(bytes_of(one.path("model.safetensors")), bytes_of(reseeded.path("model.safetensors")));
}

TEST(WeightFiles, ValuesAreNormalWithTheScaleAndGainsAreOne) {
  const TemporaryFolder folder;
  WeightFileOptions options;
  options.folder = folder.path();
  options.dtype = DType::kF32;
  ASSERT_TRUE(write_random_weights({{"a.weight", {300, 300}}, {"norm.weight", {9}}}, options).ok());
  const auto file = SafetensorsFile::open(folder.path("model.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto bytes = file->bytes(file->tensors().at("a.weight"));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  double sum = 0, squares = 0;
  int beyond_one_deviation = 0;
  for (const float value : values) {
    sum += value;
    squares += value * value;
    beyond_one_deviation += std::abs(value) > 0.02f;
  }
  // Each bound is 5 standard errors of 90,000 independent normals.
  EXPECT_NEAR(sum / 90000, 0, 5 * 0.02 / 300);
  EXPECT_NEAR(std::sqrt(squares / 90000), 0.02, 5 * 0.02 / 424);
  EXPECT_NEAR(beyond_one_deviation / 90000.0, 0.3173, 5 * 0.4654 / 300);
  const auto gains = file->bytes(file->tensors().at("norm.weight"));
  float gain = 0;
  std::memcpy(&gain, gains.data() + 8 * sizeof(float), sizeof(float));
  EXPECT_EQ(gain, 1.0f);
}

TEST(ModelWriter, UnknownShapesAreRefusedWithTheKnownOnes) {
  EXPECT_THAT(std::string(find_shape("gpt-9").status().message()),
              ::testing::HasSubstr("known are qwen2.5-0.5b, qwen2.5-3b, llama-3.2-3b, qwen3-1.7b, "
                                   "mistral-7b, tessera-recurrent-0.4b"));
}

}  // namespace
}  // namespace tessera
