// Fuzzes a whole model folder. The input is text in parts: a line "#### NAME" begins the file NAME.
// In a .safetensors part the first zero byte ends the header and the length in front of it is
// written for the fuzzer, which could not guess it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/weights/model_folder.h"
#include "engine/weights/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

constexpr std::string_view kMark = "#### ";
constexpr std::string_view kNames[] = {
    "config.json",       "generation_config.json",       "tokenizer_config.json",
    "model.safetensors", "model.safetensors.index.json", "a.safetensors",
    "b.safetensors"};

void write_part(const TemporaryFolder& folder, std::string_view part) {
  const size_t line = std::min(part.find('\n'), part.size());
  const std::string name(part.substr(0, line));
  const std::string content(part.substr(std::min(line + 1, part.size())));
  if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) return;
  if (!name.ends_with(".safetensors")) return folder.write(name, content);
  const size_t header = std::min(content.find('\0'), content.size());
  folder.write(name, safetensors_bytes(content.substr(0, header),
                                       content.substr(std::min(header + 1, content.size()))));
}

void write_folder(const TemporaryFolder& folder, std::string_view input) {
  for (const std::string_view name : kNames) {
    std::filesystem::remove(folder.path(std::string(name)));
  }
  for (size_t at = input.find(kMark); at != std::string_view::npos;) {
    at += kMark.size();
    const size_t next = input.find(kMark, at);
    write_part(folder, input.substr(at, next == std::string_view::npos ? next : next - at));
    at = next;
  }
}

// What a loader would do with an accepted folder.
void use(const ModelFolder& model) {
  const ModelConfig& config = model.config();
  if (config.layer_attention.size() != static_cast<size_t>(config.layers)) std::abort();
  if (config.heads % config.kv_heads != 0 || config.head_width % 2 != 0) std::abort();
  if (rope_inverse_frequencies(config.rope, config.head_width).empty()) std::abort();
  rope_attention_scale(config.rope);
  volatile unsigned sum = 0;
  const std::vector<int64_t> shapes[] = {{config.vocab_size, config.width}, {config.width}, {1}};
  for (const std::string& name : model.tensors().names()) {
    for (const std::vector<int64_t>& shape : shapes) {
      const absl::StatusOr<RawTensor> tensor =
          model.tensors().tensor(name, std::span<const int64_t>(shape));
      if (!tensor.ok()) continue;
      for (const std::byte byte : tensor->bytes) sum = sum + static_cast<unsigned>(byte);
      model.tensors().release(*tensor);
    }
  }
  model.tensors().unused();
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tessera::TemporaryFolder folder;
  tessera::write_folder(folder, {reinterpret_cast<const char*>(data), size});
  const absl::StatusOr<tessera::ModelFolder> model = tessera::ModelFolder::open(folder.path());
  if (model.ok()) tessera::use(*model);
  if (!model.ok() && model.status().message().empty()) std::abort();
  return 0;
}
