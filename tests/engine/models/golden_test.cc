// Logits of every golden model against transformers in f32: prefill, chunked prefill and decode;
// and the proof that the tolerance is tight enough to see the usual mistakes.
#include "support/golden.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "support/model_rig.h"

namespace tessera {
namespace {

constexpr double kTolerance = 1e-4;  // of the logits' standard deviation

std::vector<std::string> golden_folders() {
  std::vector<std::string> folders;
  for (const auto& entry :
       std::filesystem::directory_iterator(TESSERA_SOURCE_DIR "/tests/golden/models")) {
    if (entry.is_directory()) folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

double deviation(const std::vector<float>& values) {
  double mean = 0, square = 0;
  for (float value : values) mean += value;
  mean /= static_cast<double>(values.size());
  for (float value : values) square += (value - mean) * (value - mean);
  return std::sqrt(square / static_cast<double>(values.size()));
}

// Largest difference at the golden rows, in standard deviations of the golden logits.
double error_of(const std::vector<float>& logits, const GoldenPrompt& golden, int vocab_size) {
  double worst = 0;
  for (size_t row = 0; row < golden.rows.size(); ++row) {
    for (int id = 0; id < vocab_size; ++id) {
      const double found = logits[int64_t{golden.rows[row]} * vocab_size + id];
      worst = std::max(worst, std::abs(found - golden.logits[row * vocab_size + id]));
    }
  }
  return worst / deviation(golden.logits);
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, LogitsEqualTransformersInEveryChunking) {
  const auto folder = ModelFolder::open(GetParam());
  ASSERT_TRUE(folder.ok()) << folder.status();
  const ModelConfig& config = folder->config();
  for (const bool reference : {true, false}) {
    const IsaLevel isa = detect_isa();
    ModelRig rig(*folder, config, reference ? reference_ops() : cpu_ops(isa), isa, 2, DType::kF32);
    for (int prompt = 0; prompt < 2; ++prompt) {
      const GoldenPrompt golden = read_golden(GetParam(), prompt);
      std::vector<float> whole;
      for (size_t chunk : {golden.ids.size(), size_t{7}, size_t{1}}) {
        const std::vector<float> logits = rig.run(golden.ids, chunk);
        EXPECT_LT(error_of(logits, golden, config.vocab_size), kTolerance)
            << "prompt " << prompt << " in chunks of " << chunk;
        if (whole.empty()) whole = logits;
        EXPECT_EQ(whole, logits) << "bits differ in chunks of " << chunk;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(golden_folders()), [](const auto& info) {
  return std::filesystem::path(info.param).filename().string();
});

// Each mistake must move some golden logit by more than ten times the tolerance.
TEST(GoldenSensitivity, UsualMistakesShow) {
  const std::string path = TESSERA_SOURCE_DIR "/tests/golden/models/llama_plain";
  const auto folder = ModelFolder::open(path);
  ASSERT_TRUE(folder.ok()) << folder.status();
  const GoldenPrompt golden = read_golden(path, 1);
  const IsaLevel isa = detect_isa();
  const auto error_with = [&](const std::function<void(ModelConfig&)>& change) {
    ModelConfig config = folder->config();
    change(config);
    ModelRig rig(*folder, config, cpu_ops(isa), isa, 1, DType::kF32);
    return error_of(rig.run(golden.ids, golden.ids.size()), golden, config.vocab_size);
  };
  EXPECT_LT(error_with([](ModelConfig&) {}), kTolerance);
  EXPECT_GT(error_with([](ModelConfig& c) { c.rope.theta *= 1e12; }), 10 * kTolerance)
      << "almost no rotation";
  EXPECT_GT(error_with([](ModelConfig& c) { c.rope.theta *= 2; }), 10 * kTolerance);
  EXPECT_GT(error_with([](ModelConfig& c) { c.norm_epsilon *= 10; }), 10 * kTolerance);
  EXPECT_GT(error_with([](ModelConfig& c) {
              for (LayerAttention& layer : c.layer_attention) layer.window_tokens = 89;
            }),
            10 * kTolerance)
      << "a mask off by one";
}

}  // namespace
}  // namespace tessera
