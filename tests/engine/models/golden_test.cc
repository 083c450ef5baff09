// Logits of every golden model against transformers in f32: prefill, chunked prefill and decode.
#include "support/golden.h"

#include <algorithm>
#include <filesystem>

#include "support/model_rig.h"

namespace tessera {
namespace {

std::vector<std::string> golden_folders() {
  std::vector<std::string> folders;
  for (const auto& entry :
       std::filesystem::directory_iterator(TESSERA_SOURCE_DIR "/tests/golden/models")) {
    if (entry.is_directory()) folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
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
        EXPECT_LT(error_of(logits, golden, config.vocab_size), kGoldenTolerance)
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

}  // namespace
}  // namespace tessera
