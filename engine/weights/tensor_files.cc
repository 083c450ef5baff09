#include "engine/weights/tensor_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <system_error>

#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"
#include "engine/weights/text_file.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxIndexBytes = 8 << 20;
constexpr size_t kMaxShards = 1024;

using ShardOfTensor = std::map<std::string, std::string, std::less<>>;

bool plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
         name.ends_with(".safetensors");
}

absl::StatusOr<ShardOfTensor> parse_index(const std::string& path, std::string_view text) {
  const absl::StatusOr<nlohmann::json> index = parse_json_object(path, text);
  if (!index.ok()) return index.status();
  absl::Status error;
  JsonFields fields(path, *index, error);
  if (!fields.has("weight_map")) fields.refuse("weight_map", "it must map tensors to files", false);
  const nlohmann::json& map = fields.object("weight_map");
  if (!error.ok()) return error;
  ShardOfTensor shards;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string() || !plain_file_name(file.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(concat(
          path, ": weight_map names ", show_for_message(file), " for tensor ",
          quote_for_message(tensor),
          ", must be the name of a .safetensors file in the same folder, without '/' or a leading "
          "'.'"));
    }
    shards.emplace(tensor, file.get<std::string>());
  }
  return shards;
}

std::optional<DType> dtype_of(StoredDType stored) {
  if (stored == StoredDType::kF32) return DType::kF32;
  if (stored == StoredDType::kF16) return DType::kF16;
  if (stored == StoredDType::kBf16) return DType::kBf16;
  return std::nullopt;
}

std::string show_shape(std::span<const int64_t> shape) {
  std::string shown;
  for (const int64_t dimension : shape) {
    shown += concat(shown.empty() ? "" : ", ", dimension);
  }
  return concat("[", shown, "]");
}

// A weight file of the folder that only unpickling could read; empty when there is none.
std::string pickle_in(const std::string& folder) {
  std::string found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool pickle = name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") ||
                        name.ends_with(".ckpt");
    if (pickle && (found.empty() || name < found)) found = name;
  }
  return found;
}

absl::Status no_files(const std::string& folder, const std::string& single,
                      const std::string& index) {
  const std::string pickle = pickle_in(folder);
  return absl::NotFoundError(concat(
      folder, ": has neither ", single, " nor ", index, "; weights are read from safetensors",
      pickle.empty() ? ""
                     : concat(", and ", quote_for_message(pickle),
                              ", a pickle, is never opened: convert it to safetensors")));
}

}  // namespace

bool TensorBytes::operator==(const TensorBytes& other) const {
  return dtype == other.dtype && shape == other.shape && bytes.size() == other.bytes.size() &&
         (bytes.empty() || std::memcmp(bytes.data(), other.bytes.data(), bytes.size()) == 0);
}

absl::StatusOr<TensorFiles> TensorFiles::open(const std::string& folder, const std::string& stem) {
  const std::string index = concat(stem, ".safetensors.index.json");
  const std::string single = concat(stem, ".safetensors");
  TensorFiles files;
  absl::Status opened;
  if (path_exists(concat(folder, "/", index))) {
    files.index_path_ = concat(folder, "/", index);
    opened = files.open_indexed(folder, index);
  } else if (path_exists(concat(folder, "/", single))) {
    opened = files.open_single(concat(folder, "/", single));
  } else {
    opened = no_files(folder, single, index);
  }
  if (!opened.ok()) return opened;
  return files;
}

absl::Status TensorFiles::open_single(const std::string& path) {
  absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::open(path);
  if (!shard.ok()) return shard.status();
  for (const auto& [name, stored] : shard->tensors()) held_.emplace(name, Held{0, name, stored});
  shards_.push_back(*std::move(shard));
  return absl::OkStatus();
}

absl::Status TensorFiles::open_indexed(const std::string& folder, const std::string& index_name) {
  const absl::StatusOr<std::string> text = read_text_file(index_path_, kMaxIndexBytes);
  if (!text.ok()) return text.status();
  const absl::StatusOr<ShardOfTensor> shard_of = parse_index(index_path_, *text);
  if (!shard_of.ok()) return shard_of.status();
  std::map<std::string, size_t> opened;
  for (const auto& [tensor, file] : *shard_of) {
    if (opened.count(file) == 0) {
      if (opened.size() == kMaxShards) {
        return absl::InvalidArgumentError(
            concat(index_path_, ": names more than ", kMaxShards, " files"));
      }
      absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::open(concat(folder, "/", file));
      if (!shard.ok()) {
        return absl::Status(shard.status().code(),
                            concat(shard.status().message(), " (named by ", index_name, ")"));
      }
      opened.emplace(file, shards_.size());
      shards_.push_back(*std::move(shard));
    }
    const size_t home = opened.at(file);
    const auto stored = shards_[home].tensors().find(tensor);
    if (stored == shards_[home].tensors().end()) {
      return absl::InvalidArgumentError(concat(index_path_, ": weight_map says that tensor ",
                                               quote_for_message(tensor), " is in ", file,
                                               ", which does not hold it"));
    }
    held_.emplace(tensor, Held{home, tensor, stored->second});
  }
  return absl::OkStatus();
}

const TensorFiles::Held& TensorFiles::held(std::string_view name) const {
  const auto entry = held_.find(name);
  CHECK(entry != held_.end());
  return entry->second;
}

std::vector<std::string> TensorFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, held] : held_) names.push_back(name);
  return names;
}

absl::Status TensorFiles::check(std::string_view name, std::span<const int64_t> shape) const {
  if (!has(name)) {
    return absl::InvalidArgumentError(
        concat(index_path_.empty() ? shards_.front().path() : index_path_, ": tensor ",
               quote_for_message(name), " of shape ", show_shape(shape), " is missing"));
  }
  const Held& tensor = held(name);
  const StoredTensor& stored = tensor.stored;
  const std::string place =
      concat(shards_[tensor.shard].path(), ": tensor ", quote_for_message(tensor.name));
  if (!std::equal(shape.begin(), shape.end(), stored.shape.begin(), stored.shape.end())) {
    return absl::InvalidArgumentError(concat(place, " has shape ", show_shape(stored.shape),
                                             ", config.json needs ", show_shape(shape)));
  }
  if (!dtype_of(stored.dtype).has_value()) {
    return absl::UnimplementedError(
        concat(place, " has dtype ", name_of(stored.dtype), ", supported are F32, F16 and BF16"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RawTensor> TensorFiles::tensor(std::string_view name,
                                              std::span<const int64_t> shape) const {
  if (absl::Status checked = check(name, shape); !checked.ok()) return checked;
  used_.emplace(name);
  const Held& tensor = held(name);
  return RawTensor{*dtype_of(tensor.stored.dtype), tensor.stored.shape,
                   shards_[tensor.shard].bytes(tensor.stored)};
}

absl::StatusOr<RawTensor> TensorFiles::tensor(std::string_view name,
                                              std::initializer_list<int64_t> shape) const {
  return tensor(name, std::span<const int64_t>(shape.begin(), shape.size()));
}

std::vector<std::string> TensorFiles::unused() const {
  std::vector<std::string> unused;
  for (const auto& [name, held] : held_) {
    if (used_.count(name) == 0) unused.push_back(name);
  }
  return unused;
}

absl::Status TensorFiles::check_all_used(std::string_view what,
                                         std::span<const std::string_view> harmless) const {
  const auto passes = [&](std::string_view name) {
    return std::any_of(harmless.begin(), harmless.end(), [&](std::string_view pattern) {
      return pattern.starts_with('*') ? name.ends_with(pattern.substr(1)) : name == pattern;
    });
  };
  for (const std::string& name : unused()) {
    if (!passes(name)) return not_part_of(name, what);
  }
  return absl::OkStatus();
}

absl::Status TensorFiles::check_exactly(std::string_view what,
                                        std::span<const ExpectedTensor> expected) const {
  std::set<std::string_view> wanted;
  for (const ExpectedTensor& tensor : expected) {
    wanted.insert(tensor.name);
    if (absl::Status checked = check(tensor.name, tensor.shape); !checked.ok()) return checked;
  }
  for (const auto& [name, held] : held_) {
    if (wanted.count(name) == 0) return not_part_of(name, what);
  }
  return absl::OkStatus();
}

absl::Status TensorFiles::not_part_of(std::string_view name, std::string_view what) const {
  return absl::UnimplementedError(concat(file_of(name), ": tensor ",
                                         quote_for_message(held(name).name), " is not part of a ",
                                         what, " as config.json describes it"));
}

TensorBytes TensorFiles::stored(std::string_view name) const {
  const Held& tensor = held(name);
  return {tensor.stored.dtype, tensor.stored.shape, shards_[tensor.shard].bytes(tensor.stored)};
}

const std::string& TensorFiles::file_of(std::string_view name) const {
  return shards_[held(name).shard].path();
}

void TensorFiles::rename(std::string_view from, std::string to) {
  CHECK(has(from) && !has(to));
  auto entry = held_.extract(held_.find(from));
  entry.key() = std::move(to);
  held_.insert(std::move(entry));
}

void TensorFiles::reshape(std::string_view name, std::vector<int64_t> shape) {
  const auto elements = [](const std::vector<int64_t>& dimensions) {
    return std::accumulate(dimensions.begin(), dimensions.end(), int64_t{1}, std::multiplies<>());
  };
  CHECK(has(name));
  StoredTensor& stored = held_.find(name)->second.stored;
  CHECK_EQ(elements(shape), elements(stored.shape));
  stored.shape = std::move(shape);
}

void TensorFiles::drop(std::string_view name) {
  CHECK(has(name));
  held_.erase(held_.find(name));
}

void TensorFiles::release(std::span<const std::byte> bytes) const {
  for (const SafetensorsFile& shard : shards_) {
    if (shard.holds(bytes)) shard.release(bytes);
  }
}

absl::Status TensorFiles::check_unchanged() const {
  for (const SafetensorsFile& shard : shards_) {
    if (absl::Status unchanged = shard.check_unchanged(); !unchanged.ok()) return unchanged;
  }
  return absl::OkStatus();
}

uint64_t TensorFiles::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, held] : held_) bytes += held.stored.end - held.stored.begin;
  return bytes;
}

}  // namespace tessera
