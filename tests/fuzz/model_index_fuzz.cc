// Fuzzes the JSON files of a diffusers folder. The input is text in parts: a line "#### NAME"
// begins the file NAME, for example "#### transformer/config.json". Anything is one error that
// names a file or a config whose facts hold.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/diffusers/pipeline_config.h"

namespace tessera {
namespace {

constexpr std::string_view kMark = "#### ";

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "model_index_fuzz: %s\n", what);
  std::abort();
}

PipelineFiles parts_of(std::string_view input) {
  const std::vector<std::string> names = pipeline_file_names();
  PipelineFiles files;
  for (size_t at = input.find(kMark); at != std::string_view::npos;) {
    at += kMark.size();
    const size_t next = input.find(kMark, at);
    const std::string_view part =
        input.substr(at, next == std::string_view::npos ? next : next - at);
    const size_t line = std::min(part.find('\n'), part.size());
    const std::string name(part.substr(0, line));
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      files[name] = part.substr(std::min(line + 1, part.size()));
    }
    at = next;
  }
  return files;
}

void check_shape(const TransformerShape& shape) {
  expect(shape.layers >= 1 && shape.width() % 4 == 0 && shape.head_width % 2 == 0, "odd widths");
  expect(shape.sample_size % shape.patch == 0, "half a patch");
}
void check(const DitConfig& config) { check_shape(config); }
void check(const PixArtConfig& config) { check_shape(config); }
void check(const LatteConfig& config) { check_shape(config); }
void check(const Sd3Config& config) {
  check_shape(config);
  expect(config.dual_attention.size() == static_cast<size_t>(config.layers), "dual_attention");
}
void check(const DiffusionPolicyConfig& config) {
  expect(config.width % (2 * config.heads) == 0, "odd heads");
  expect(config.first_action_step + config.action_steps <= config.horizon, "past the horizon");
  expect(config.observation.scale.size() == static_cast<size_t>(config.observation_width) &&
             config.observation.offset.size() == config.observation.scale.size() &&
             config.action.scale.size() == static_cast<size_t>(config.action_width) &&
             config.action.offset.size() == config.action.scale.size(),
         "normalisers of other widths");
  for (const float scale : config.observation.scale) {
    expect(std::isfinite(scale) && std::isfinite(1 / scale), "a scale without an inverse");
  }
}

void check_tensors(const std::vector<ExpectedTensor>& tensors) {
  for (const ExpectedTensor& tensor : tensors) {
    expect(!tensor.name.empty() && !tensor.shape.empty(), "a tensor without a shape");
    for (const int64_t dimension : tensor.shape) expect(dimension > 0, "an empty tensor");
  }
}

void use(const PipelineConfig& config) {
  std::visit([](const auto& transformer) { check(transformer); }, config.transformer);
  check_tensors(expected_tensors(config.transformer));
  if (config.vae.has_value()) {
    for (const int width : config.vae->channels) {
      expect(width > 0 && width % config.vae->norm_groups == 0, "a torn group");
    }
    check_tensors(expected_tensors(*config.vae));
  }
  expect(config.text_encoder.has_value() == !config.tokenizer_folder.empty(), "no tokenizer");
  if (config.text_encoder.has_value()) check_tensors(expected_tensors(*config.text_encoder));
  expect(config.notes.size() <= 100, "endless notes");
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tessera::PipelineFiles files =
      tessera::parts_of({reinterpret_cast<const char*>(data), size});
  const absl::StatusOr<tessera::PipelineConfig> config = tessera::parse_pipeline_config(files);
  if (config.ok()) {
    tessera::use(*config);
  } else {
    const absl::string_view message = config.status().message();
    tessera::expect(message.size() < 2000, "an endless message");
    tessera::expect(message.find(".json") != absl::string_view::npos,
                    "an error does not name the file");
  }
  return 0;
}
