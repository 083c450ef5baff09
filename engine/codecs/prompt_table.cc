#include "engine/codecs/prompt_table.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/weights/message.h"
#include "engine/weights/safetensors.h"
#include "engine/weights/text_file.h"

namespace tessera {
namespace {

constexpr size_t kPromptsMax = 1 << 16;
constexpr size_t kShownBytes = 64;  // of a prompt in a message

float value_at(StoredDType dtype, std::span<const std::byte> bytes, size_t index) {
  float value = 0;
  if (dtype == StoredDType::kF32) {
    std::memcpy(&value, bytes.data() + index * sizeof(float), sizeof(float));
    return value;
  }
  uint16_t high = 0;
  std::memcpy(&high, bytes.data() + index * sizeof(high), sizeof(high));
  return std::bit_cast<float>(uint32_t{high} << 16);
}

absl::StatusOr<FloatArray> read_rows(const std::string& place, const StoredTensor& tensor,
                                     std::span<const std::byte> bytes, int64_t width,
                                     int64_t tokens_max) {
  const bool fits = tensor.shape.size() == 2 && tensor.shape[0] >= 1 &&
                    tensor.shape[0] <= tokens_max && tensor.shape[1] == width;
  if (!fits || (tensor.dtype != StoredDType::kF32 && tensor.dtype != StoredDType::kBf16)) {
    return absl::InvalidArgumentError(
        concat(place, " must be [1 to ", tokens_max, ", ", width, "] in F32 or BF16"));
  }
  FloatArray rows{tensor.shape, {}};
  for (int64_t index = 0; index < tensor.shape[0] * width; ++index) {
    rows.values.push_back(value_at(tensor.dtype, bytes, static_cast<size_t>(index)));
    if (!std::isfinite(rows.values.back())) {
      return absl::InvalidArgumentError(concat(place, " has a value that is not finite"));
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::optional<PromptTable>> PromptTable::open(const std::string& folder,
                                                             int64_t width, int64_t tokens_max) {
  const std::string path = concat(folder, "/", kFileName);
  if (!path_exists(path)) return std::nullopt;
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file.ok()) return file.status();
  if (file->tensors().size() > kPromptsMax) {
    return absl::InvalidArgumentError(
        concat(path, ": has ", file->tensors().size(), " prompts, at most ", kPromptsMax));
  }
  PromptTable table;
  for (const auto& [prompt, tensor] : file->tensors()) {
    absl::StatusOr<FloatArray> rows =
        read_rows(concat(path, ": tensor \"", prompt.substr(0, kShownBytes), "\""), tensor,
                  file->bytes(tensor), width, tokens_max);
    if (!rows.ok()) return rows.status();
    table.rows_.emplace(prompt, *std::move(rows));
  }
  if (!table.rows_.contains(kEmptyPrompt)) {
    return absl::InvalidArgumentError(
        concat(path, ": has no tensor \"", kEmptyPrompt, "\", the empty prompt"));
  }
  return table;
}

absl::StatusOr<FloatArray> PromptTable::find(const char* field, std::string_view prompt) const {
  const auto found = rows_.find(prompt.empty() ? std::string_view(kEmptyPrompt) : prompt);
  if (found != rows_.end()) return found->second;
  return absl::InvalidArgumentError(
      concat(field, ": this model knows ", rows_.size(), " prompts, \"",
             rows_.begin()->first.substr(0, kShownBytes), "\" for one, not this one"));
}

std::vector<std::string> PromptTable::prompts() const {
  std::vector<std::string> prompts;
  for (const auto& [prompt, rows] : rows_) {
    if (prompt != kEmptyPrompt) prompts.push_back(prompt);
  }
  return prompts;
}

}  // namespace tessera
