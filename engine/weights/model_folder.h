// A Hugging Face model folder on disk: its config and its tensors by name, whatever the number of
// shards. Owned by the loader, used by one thread at a time until the weights are packed, then
// dropped. Tensors are spans of the mapped files; nothing is copied here.
//
// model.safetensors.index.json, where present, decides which shards load and which shard holds a
// tensor; else model.safetensors holds all. Shards may be symlinks (hub cache), their names may not
// contain '/' or start with '.'.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/model_config.h"
#include "engine/weights/safetensors.h"
#include "kernels/core/dtype.h"

namespace tessera {

struct RawTensor {
  DType dtype = DType::kF32;         // kF32, kF16 or kBf16
  std::vector<int64_t> shape;        // outermost first: a linear is [out, in]
  std::span<const std::byte> bytes;  // row-major, aligned to nothing
};

class ModelFolder {
 public:
  static absl::StatusOr<ModelFolder> open(const std::string& path);

  const ModelConfig& config() const { return config_; }
  bool has(std::string_view tensor) const { return home_.find(tensor) != home_.end(); }
  std::vector<std::string> names() const;

  // The tensor, checked against the shape the model needs; the error names file, tensor, the wanted
  // and the found shape or dtype. Remembers that the tensor was used.
  absl::StatusOr<RawTensor> tensor(std::string_view name, std::span<const int64_t> shape) const;
  absl::StatusOr<RawTensor> tensor(std::string_view name,
                                   std::initializer_list<int64_t> shape) const;
  std::vector<std::string> unused() const;  // names never asked for, sorted
  // For a loader that has asked for all it needs: error when a tensor was never asked for, because
  // then the files hold a computation that config.json does not mention (a bias, a norm, a layer,
  // a scale). Tables of rope and a tied lm_head are harmless and pass.
  absl::Status check_all_used() const;

  // Drops the pages of `tensor` from memory once it is packed, so that at most one tensor is held
  // twice.
  void release(const RawTensor& tensor) const;
  // Error when a shard's size changed since open; call it before packing.
  absl::Status check_unchanged() const;
  uint64_t tensor_bytes() const;  // sum over all tensors of the folder

 private:
  ModelFolder() = default;
  absl::Status open_single(const std::string& path);
  absl::Status open_indexed(const std::string& folder, const std::string& index_path);
  void settle_config();
  const StoredTensor* find(std::string_view name) const;

  ModelConfig config_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t, std::less<>> home_;  // tensor -> index in shards_
  mutable std::set<std::string, std::less<>> used_;
};

}  // namespace tessera
