// A Hugging Face model folder on disk: its config and its tensors by name. Owned by the loader,
// used by one thread at a time until the weights are packed, then dropped.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/weights/model_config.h"
#include "engine/weights/tensor_files.h"

namespace tessera {

class ModelFolder {
 public:
  static absl::StatusOr<ModelFolder> open(const std::string& path);

  const ModelConfig& config() const { return config_; }
  const TensorFiles& tensors() const { return tensors_; }

  // As TensorFiles::check_all_used; tables of rope and a tied lm_head are harmless and pass.
  absl::Status check_all_used() const;

 private:
  explicit ModelFolder(ModelConfig config, TensorFiles tensors)
      : config_(std::move(config)), tensors_(std::move(tensors)) {}
  void settle_config();

  ModelConfig config_;
  TensorFiles tensors_;
};

}  // namespace tessera
