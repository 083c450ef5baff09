// A diffusers folder on disk, or a converted diffusion policy: the facts of the model, and the
// tensors of its components by name. Owned by the loader, used by one thread at a time until the
// weights are packed, then dropped.
//
// After open() every component holds exactly the tensors its config implies, in their shapes and
// under today's names (see expected_tensors of each config): copies of DiT's embedders, a VAE's
// encoder and old names of its attention are settled here.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "engine/weights/diffusers/pipeline_config.h"
#include "engine/weights/tensor_files.h"

namespace tessera {

class DiffusersFolder {
 public:
  // Whether open() and not ModelFolder is for this folder. A folder that is neither answers false.
  static bool is_at(const std::string& path);
  static absl::StatusOr<DiffusersFolder> open(const std::string& path);

  const PipelineConfig& config() const { return config_; }
  const TensorFiles& transformer() const { return *transformer_; }
  const TensorFiles* vae() const { return pointer(vae_); }                    // or nullptr
  const TensorFiles* text_encoder() const { return pointer(text_encoder_); }  // or nullptr
  // The type of the transformer's first matrix: what the weights were made in.
  DType weight_dtype() const { return weight_dtype_; }

  // Error when a tensor of any component was never asked for.
  absl::Status check_all_used() const;
  // Error when a file's size changed since open; call it before packing.
  absl::Status check_unchanged() const;
  uint64_t tensor_bytes() const;  // sum over all components

 private:
  DiffusersFolder() = default;
  absl::Status open_transformer(const std::string& path);
  absl::Status open_vae(const std::string& path);
  absl::Status open_text_encoder(const std::string& path);
  static const TensorFiles* pointer(const std::optional<TensorFiles>& files) {
    return files.has_value() ? &*files : nullptr;
  }

  PipelineConfig config_;
  std::optional<TensorFiles> transformer_, vae_, text_encoder_;
  DType weight_dtype_ = DType::kF32;
};

}  // namespace tessera
