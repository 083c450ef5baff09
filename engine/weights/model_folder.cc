#include "engine/weights/model_folder.h"

#include <array>

#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kHead = "lm_head.weight";

}  // namespace

absl::StatusOr<ModelFolder> ModelFolder::open(const std::string& path) {
  const absl::StatusOr<ModelFiles> files = read_model_files(path);
  if (!files.ok()) return files.status();
  absl::StatusOr<ModelConfig> config = parse_model_config(*files);
  if (!config.ok()) {
    return absl::Status(config.status().code(), concat(path, "/", config.status().message()));
  }
  absl::StatusOr<TensorFiles> tensors = TensorFiles::open(path, "model");
  if (!tensors.ok()) return tensors.status();
  ModelFolder folder(*std::move(config), *std::move(tensors));
  folder.settle_config();
  return folder;
}

// The files overrule config.json where they know better: no lm_head means a tied one; a declared
// tie between two tensors that differ is no tie, as in transformers.
void ModelFolder::settle_config() {
  const bool has_head = tensors_.has(kHead);
  if (!has_head) config_.tied_embeddings = true;
  if (!tensors_.has(kEmbedding)) return;
  const TensorBytes embedding = tensors_.stored(kEmbedding);
  if (embedding.dtype == StoredDType::kF32) config_.weight_dtype = DType::kF32;
  if (embedding.dtype == StoredDType::kF16) config_.weight_dtype = DType::kF16;
  if (embedding.dtype == StoredDType::kBf16) config_.weight_dtype = DType::kBf16;
  if (!has_head || !config_.tied_embeddings) return;
  const TensorBytes head = tensors_.stored(kHead);
  config_.tied_embeddings = embedding == head;
  tensors_.release(embedding.bytes);
  tensors_.release(head.bytes);
}

absl::Status ModelFolder::check_all_used() const {
  const std::array<std::string_view, 2> harmless = {"*.rotary_emb.inv_freq", kHead};
  return tensors_.check_all_used(
      config_.architecture,
      std::span<const std::string_view>(harmless).first(config_.tied_embeddings ? 2 : 1));
}

}  // namespace tessera
