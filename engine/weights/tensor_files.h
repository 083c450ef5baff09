// The tensors of one model or of one component of it, by name, whatever the number of safetensors
// files they stand in. Owned by the loader, used by one thread at a time until the weights are
// packed, then dropped. Tensors are spans of the mapped files; nothing is copied here.
//
// STEM.safetensors.index.json, where present, decides which shards load and which shard holds a
// tensor; else STEM.safetensors holds all. Shards may be symlinks (hub cache), their names may not
// contain '/' or start with '.'. Pickles (.bin, .pt, .ckpt) are never opened.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/safetensors.h"
#include "engine/weights/tensor_list.h"
#include "kernels/core/dtype.h"

namespace tessera {

struct RawTensor {
  DType dtype = DType::kF32;         // kF32, kF16 or kBf16
  std::vector<int64_t> shape;        // outermost first: a linear is [out, in]
  std::span<const std::byte> bytes;  // row-major, aligned to nothing
};

// A tensor as the file has it, of any element type.
struct TensorBytes {
  StoredDType dtype = StoredDType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  bool operator==(const TensorBytes& other) const;  // equal type, shape and content
};

class TensorFiles {
 public:
  // `stem` is "model" (transformers) or "diffusion_pytorch_model" (diffusers).
  static absl::StatusOr<TensorFiles> open(const std::string& folder, const std::string& stem);

  bool has(std::string_view tensor) const { return held_.find(tensor) != held_.end(); }
  std::vector<std::string> names() const;

  // The tensor, checked against the shape the model needs; the error names file, tensor, the wanted
  // and the found shape or dtype. Remembers that the tensor was used.
  absl::StatusOr<RawTensor> tensor(std::string_view name, std::span<const int64_t> shape) const;
  absl::StatusOr<RawTensor> tensor(std::string_view name,
                                   std::initializer_list<int64_t> shape) const;
  // REQUIRES: has(name). Does not count as a use.
  TensorBytes stored(std::string_view name) const;
  // The file that holds `name`. REQUIRES: has(name).
  const std::string& file_of(std::string_view name) const;

  std::vector<std::string> unused() const;  // names never asked for, sorted
  // For a loader that has asked for all it needs: error when a tensor was never asked for, because
  // then the files hold a computation that config.json does not mention (a bias, a norm, a layer,
  // a scale). `harmless` lists names that may stand unused; one that begins with '*' stands for
  // every name with that end. `what` is the model's class, for the message.
  absl::Status check_all_used(std::string_view what,
                              std::span<const std::string_view> harmless = {}) const;

  // Error unless these files hold each of `expected` in its shape and a float type, and nothing
  // else. No tensor counts as used by this.
  absl::Status check_exactly(std::string_view what, std::span<const ExpectedTensor> expected) const;

  // For files of older or other habits, before anybody asks: another name, another shape of as many
  // elements, or no such tensor. Later messages give the name in the file.
  // REQUIRES: has(from), !has(to).
  void rename(std::string_view from, std::string to);
  void reshape(std::string_view name, std::vector<int64_t> shape);
  void drop(std::string_view name);

  // Drops the pages of `bytes` from memory once they are packed, so that at most one tensor is
  // held twice.
  void release(std::span<const std::byte> bytes) const;
  void release(const RawTensor& tensor) const { release(tensor.bytes); }
  // Error when a shard's size changed since open; call it before packing.
  absl::Status check_unchanged() const;
  uint64_t tensor_bytes() const;  // sum over all tensors

 private:
  struct Held {
    size_t shard = 0;  // index in shards_
    std::string name;  // in that shard
    StoredTensor stored;
  };

  TensorFiles() = default;
  absl::Status open_single(const std::string& path);
  absl::Status open_indexed(const std::string& folder, const std::string& index_name);
  const Held& held(std::string_view name) const;
  absl::Status check(std::string_view name, std::span<const int64_t> shape) const;
  absl::Status not_part_of(std::string_view name, std::string_view what) const;

  std::string index_path_;  // for messages; empty without an index
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, Held, std::less<>> held_;
  mutable std::set<std::string, std::less<>> used_;
};

}  // namespace tessera
