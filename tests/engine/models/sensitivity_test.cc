// The proof that the golden tolerance is tight enough: each of the usual mistakes moves some golden
// logit by more than ten times the tolerance.
#include <algorithm>
#include <functional>

#include "support/golden.h"
#include "support/model_rig.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

class GoldenSensitivity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    path_ = std::string(TESSERA_SOURCE_DIR "/tests/golden/models/") + GetParam();
    golden_ = read_golden(path_, 1);
  }

  double error_with(const std::function<void(ModelConfig&)>& change) const {
    return error_in(path_, change);
  }

  double error_in(const std::string& path, const std::function<void(ModelConfig&)>& change) const {
    const auto folder = ModelFolder::open(path);
    if (!folder.ok()) {
      ADD_FAILURE() << folder.status();
      return 0;
    }
    ModelConfig config = folder->config();
    change(config);
    const IsaLevel isa = detect_isa();
    ModelRig rig(*folder, config, cpu_ops(isa), isa, 1, DType::kF32);
    return error_of(rig.run(golden_.ids, golden_.ids.size()), golden_, config.vocab_size);
  }

  std::string path_;
  GoldenPrompt golden_;
};

void keep(ModelConfig&) {}

// Gives every KV head the rows of the next one, in all projections whose name has `part`.
void shift_kv_heads(const std::string& path, const std::string& part, int kv_heads) {
  const auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::string bytes;
  std::ifstream in(path, std::ios::binary);
  bytes.assign(std::istreambuf_iterator<char>(in), {});
  const auto data_begin = static_cast<int64_t>(bytes.size()) - [&] {
    uint64_t end = 0;
    for (const auto& [name, tensor] : file->tensors()) end = std::max(end, tensor.end);
    return static_cast<int64_t>(end);
  }();
  int shifted = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    if (name.find(part) == std::string::npos) continue;
    const auto head_bytes = static_cast<int64_t>((tensor.end - tensor.begin) / kv_heads);
    const auto begin = bytes.begin() + data_begin + static_cast<int64_t>(tensor.begin);
    std::rotate(begin, begin + head_bytes, begin + head_bytes * kv_heads);
    ++shifted;
  }
  ASSERT_GT(shifted, 0) << part;
  // A file of its own: the mapping above shows the old one, which may be shared with the goldens.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_P(GoldenSensitivity, NothingChangedIsWithinTheTolerance) {
  EXPECT_LT(error_with(keep), kGoldenTolerance);
}

TEST_P(GoldenSensitivity, NoRopeShows) {
  const auto stop_turning = [](ModelConfig& config) {
    config.rope.kind = RopeKind::kLinear;
    config.rope.factor = 1e30;
  };
  EXPECT_GT(error_with(stop_turning), 10 * kGoldenTolerance);
}

TEST_P(GoldenSensitivity, WrongThetaShows) {
  EXPECT_GT(error_with([](ModelConfig& config) { config.rope.theta *= 2; }), 10 * kGoldenTolerance);
}

TEST_P(GoldenSensitivity, MaskOffByOneShows) {
  const int length = static_cast<int>(golden_.ids.size());
  for (const int off : {-1, 1}) {
    const auto move_edge = [&](ModelConfig& config) {
      for (LayerAttention& layer : config.layer_attention) {
        // Where there is no window, one of all but the first token is the mask that is off by one.
        layer.window_tokens = layer.window_tokens == 0 ? length - 1 : layer.window_tokens + off;
      }
    };
    EXPECT_GT(error_with(move_edge), 10 * kGoldenTolerance) << off;
  }
}

TEST_P(GoldenSensitivity, WrongKvHeadShows) {
  const auto folder = ModelFolder::open(path_);
  ASSERT_TRUE(folder.ok()) << folder.status();
  ASSERT_GT(folder->config().kv_heads, 1);
  const std::vector<std::vector<std::string>> mistakes = {
      {".k_proj."}, {".v_proj."}, {".k_proj.", ".v_proj."}};
  for (const std::vector<std::string>& parts : mistakes) {
    const TemporaryFolder copy;
    std::filesystem::copy(path_, copy.path());
    for (const std::string& part : parts) {
      shift_kv_heads(copy.path("model.safetensors"), part, folder->config().kv_heads);
    }
    EXPECT_GT(error_in(copy.path(), keep), 10 * kGoldenTolerance) << parts.front();
  }
}

TEST_P(GoldenSensitivity, TenfoldEpsilonShows) {
  EXPECT_GT(error_with([](ModelConfig& config) { config.norm_epsilon *= 10; }),
            10 * kGoldenTolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenSensitivity,
                         testing::Values("llama_plain", "llama_no_head", "mistral_window",
                                         "qwen2_yarn", "qwen3_plain"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tessera
