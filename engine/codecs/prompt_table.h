// Prompts that a folder brings with their embeddings: for models that were trained on a fixed set
// of prompts and so have no text encoder. Made at load; immutable, any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/diffusion.h"

namespace tessera {

class PromptTable {
 public:
  static constexpr const char* kFileName = "prompt_embeds.safetensors";
  // What stands for the empty prompt, and so for none.
  static constexpr const char* kEmptyPrompt = "nothing";

  // kFileName of `folder`: for each prompt, by its text, a tensor [tokens, width] in F32 or BF16 of
  // at most `tokens_max` tokens. Nothing where there is no such file; errors name file and tensor.
  static absl::StatusOr<std::optional<PromptTable>> open(const std::string& folder, int64_t width,
                                                         int64_t tokens_max);

  // INVALID_ARGUMENT, naming `field`, for a prompt that is not there.
  absl::StatusOr<FloatArray> find(const char* field, std::string_view prompt) const;
  // All but the empty one, sorted.
  std::vector<std::string> prompts() const;

 private:
  std::map<std::string, FloatArray, std::less<>> rows_;
};

}  // namespace tessera
