#include "engine/codecs/t5_encoder.h"

#include "engine/device/device.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "gtest/gtest.h"
#include "support/golden_tensors.h"
#include "support/sigma.h"

namespace tessera {
namespace {

constexpr int kTokens = 120;
const std::string kFolder = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/pixart";

class T5Test : public testing::Test {
 protected:
  T5Test()
      : folder_(*DiffusersFolder::open(kFolder)),
        golden_(kFolder + "/golden.safetensors"),
        device_(*Device::get({.backend = "cpu"})),
        region_(*Region::create("encoder", size_t{64} << 20)),
        encoder_(*folder_.config().text_encoder, DType::kF32, {kTokens, 4}, region_),
        stream_(device_->ops(), size_t{4} << 20) {
    encoder_.allocate_scratch(region_);
    out_ = region_.allocate(DType::kF32, {4 * kTokens, width()});
    device_->lane().attach(stream_);
    const absl::Status loaded = encoder_.load(*folder_.text_encoder(), stream_);
    EXPECT_TRUE(loaded.ok()) << loaded;
    stream_.wait(stream_.record());
    const absl::Status used = folder_.text_encoder()->check_all_used("T5EncoderModel");
    EXPECT_TRUE(used.ok()) << used;
    while (golden_.has(at(prompts_.size()) + "ids")) {
      prompts_.push_back(golden_.get<int32_t>(at(prompts_.size()) + "ids"));
    }
  }
  ~T5Test() override { device_->lane().detach(stream_); }

  static std::string at(size_t prompt) { return "prompt_" + std::to_string(prompt) + "."; }
  int64_t width() const { return folder_.config().text_encoder->width; }

  std::vector<float> rows(const Tensor& tensor, int64_t begin, int64_t count) {
    std::vector<float> values(count * width());
    stream_.download(tensor.rows(begin, count), std::as_writable_bytes(std::span(values)));
    stream_.wait(stream_.record());
    return values;
  }

  const DiffusersFolder folder_;
  const GoldenTensors golden_;
  const std::shared_ptr<Device> device_;
  Region region_;
  T5Encoder encoder_;
  Stream stream_;
  Tensor out_;
  std::vector<std::vector<int32_t>> prompts_;
};

TEST_F(T5Test, EmbeddingsEqualTransformersAfterEveryBlock) {
  ASSERT_EQ(prompts_.size(), 4u);
  for (size_t prompt = 0; prompt < prompts_.size(); ++prompt) {
    const T5Encoder::Prompts laid_out = encoder_.lay_out({prompts_[prompt]}, stream_);
    encoder_.embed(laid_out, stream_);
    for (int layer = 0; layer < folder_.config().text_encoder->layers; ++layer) {
      encoder_.block(laid_out, layer, stream_);
      const std::string name = at(prompt) + "t5_block_" + std::to_string(layer);
      EXPECT_LT(worst_sigma(rows(encoder_.residual(), 0, laid_out.rows), golden_.get(name)), 1e-4)
          << name;
    }
    encoder_.finish(laid_out, out_.rows(0, laid_out.rows), stream_);
    EXPECT_LT(worst_sigma(rows(out_, 0, laid_out.rows), golden_.get(at(prompt) + "hidden")), 1e-4)
        << at(prompt);
  }
}

TEST_F(T5Test, PromptsTogetherHaveTheBitsOfEachAlone) {
  std::vector<float> alone;
  for (const std::vector<int32_t>& prompt : prompts_) {
    const T5Encoder::Prompts laid_out = encoder_.lay_out({prompt}, stream_);
    encoder_.encode(laid_out, out_.rows(0, laid_out.rows), stream_);
    const std::vector<float> values = rows(out_, 0, laid_out.rows);
    alone.insert(alone.end(), values.begin(), values.end());
  }
  const T5Encoder::Prompts laid_out = encoder_.lay_out(prompts_, stream_);
  encoder_.encode(laid_out, out_.rows(0, laid_out.rows), stream_);
  EXPECT_EQ(rows(out_, 0, laid_out.rows), alone);
}

TEST_F(T5Test, IdsEqualSentencePieceWithTheEndToken) {
  const auto tokenizer = Tokenizer::load(kFolder + "/tokenizer");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (size_t prompt = 0; prompt < prompts_.size(); ++prompt) {
    const std::vector<char> text = golden_.get<char>(at(prompt) + "text");
    std::vector<int32_t> ids = encoder_.ids(**tokenizer, {text.data(), text.size()});
    EXPECT_EQ(ids.size() > kTokens, prompt == 2);  // which the pipeline cuts
    if (ids.size() > kTokens) ids.erase(ids.begin() + kTokens - 1, ids.end() - 1);
    EXPECT_EQ(ids, prompts_[prompt]) << at(prompt);
  }
  // Nobody can write the end token.
  const std::vector<int32_t> spelled = encoder_.ids(**tokenizer, "a </s> boat");
  EXPECT_EQ(std::count(spelled.begin(), spelled.end(), 1), 1);
}

TEST(T5Buckets, AreExactNearbyThenGrowToTheLastDistance) {
  // 32 buckets up to a distance of 128, as T5 has them: 16 for each direction.
  EXPECT_EQ(t5_bucket(0, 32, 128), 0);
  EXPECT_EQ(t5_bucket(-7, 32, 128), 7);
  EXPECT_EQ(t5_bucket(7, 32, 128), 23);
  EXPECT_EQ(t5_bucket(-8, 32, 128), 8);
  EXPECT_EQ(t5_bucket(-11, 32, 128), 8);
  EXPECT_EQ(t5_bucket(-12, 32, 128), 9);
  EXPECT_EQ(t5_bucket(16, 32, 128), 26);
  EXPECT_EQ(t5_bucket(-127, 32, 128), 15);
  EXPECT_EQ(t5_bucket(-5000, 32, 128), 15);
  EXPECT_EQ(t5_bucket(5000, 32, 128), 31);
}

}  // namespace
}  // namespace tessera
