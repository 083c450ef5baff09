#include "engine/weights/model_folder.h"

#include <cstring>

#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"
#include "engine/weights/text_file.h"

namespace tessera {
namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";
constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kHead = "lm_head.weight";
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

std::string show_shape(std::span<const int64_t> shape) {
  std::string shown;
  for (const int64_t dimension : shape) {
    shown += concat(shown.empty() ? "" : ", ", dimension);
  }
  return concat("[", shown, "]");
}

}  // namespace

absl::StatusOr<ModelFolder> ModelFolder::open(const std::string& path) {
  const absl::StatusOr<ModelFiles> files = read_model_files(path);
  if (!files.ok()) return files.status();
  absl::StatusOr<ModelConfig> config = parse_model_config(*files);
  if (!config.ok()) {
    return absl::Status(config.status().code(), concat(path, "/", config.status().message()));
  }
  ModelFolder folder;
  folder.config_ = *std::move(config);
  const std::string index_path = concat(path, "/", kIndexName);
  const std::string single_path = concat(path, "/", kSingleName);
  absl::Status opened;
  if (path_exists(index_path)) {
    opened = folder.open_indexed(path, index_path);
  } else if (path_exists(single_path)) {
    opened = folder.open_single(single_path);
  } else {
    opened = absl::NotFoundError(concat(path, ": has neither ", kSingleName, " nor ", kIndexName,
                                        "; weights are read from safetensors"));
  }
  if (!opened.ok()) return opened;
  folder.settle_config();
  return folder;
}

absl::Status ModelFolder::open_single(const std::string& path) {
  absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::open(path);
  if (!shard.ok()) return shard.status();
  for (const auto& [name, stored] : shard->tensors()) home_.emplace(name, 0);
  shards_.push_back(*std::move(shard));
  return absl::OkStatus();
}

absl::Status ModelFolder::open_indexed(const std::string& folder, const std::string& index_path) {
  const absl::StatusOr<std::string> text = read_text_file(index_path, kMaxIndexBytes);
  if (!text.ok()) return text.status();
  const absl::StatusOr<ShardOfTensor> shard_of = parse_index(index_path, *text);
  if (!shard_of.ok()) return shard_of.status();
  std::map<std::string, size_t> opened;
  for (const auto& [tensor, file] : *shard_of) {
    if (opened.count(file) == 0) {
      if (opened.size() == kMaxShards) {
        return absl::InvalidArgumentError(
            concat(index_path, ": names more than ", kMaxShards, " files"));
      }
      absl::StatusOr<SafetensorsFile> shard = SafetensorsFile::open(concat(folder, "/", file));
      if (!shard.ok()) {
        return absl::Status(shard.status().code(),
                            concat(shard.status().message(), " (named by ", kIndexName, ")"));
      }
      opened.emplace(file, shards_.size());
      shards_.push_back(*std::move(shard));
    }
    const size_t home = opened.at(file);
    if (shards_[home].tensors().count(tensor) == 0) {
      return absl::InvalidArgumentError(concat(index_path, ": weight_map says that tensor ",
                                               quote_for_message(tensor), " is in ", file,
                                               ", which does not hold it"));
    }
    home_.emplace(tensor, home);
  }
  return absl::OkStatus();
}

const StoredTensor* ModelFolder::find(std::string_view name) const {
  const auto home = home_.find(name);
  return home == home_.end() ? nullptr : &shards_[home->second].tensors().find(name)->second;
}

// The files overrule config.json where they know better: no lm_head means a tied one; a declared
// tie between two tensors that differ is no tie, as in transformers.
void ModelFolder::settle_config() {
  const StoredTensor* embedding = find(kEmbedding);
  const StoredTensor* head = find(kHead);
  if (head == nullptr) config_.tied_embeddings = true;
  if (embedding == nullptr) return;
  if (embedding->dtype == StoredDType::kF32) config_.weight_dtype = DType::kF32;
  if (embedding->dtype == StoredDType::kF16) config_.weight_dtype = DType::kF16;
  if (embedding->dtype == StoredDType::kBf16) config_.weight_dtype = DType::kBf16;
  if (head == nullptr || !config_.tied_embeddings) return;
  const SafetensorsFile& embedding_file = shards_[home_.find(kEmbedding)->second];
  const SafetensorsFile& head_file = shards_[home_.find(kHead)->second];
  const std::span<const std::byte> a = embedding_file.bytes(*embedding);
  const std::span<const std::byte> b = head_file.bytes(*head);
  config_.tied_embeddings = embedding->dtype == head->dtype && embedding->shape == head->shape &&
                            std::memcmp(a.data(), b.data(), a.size()) == 0;
  embedding_file.release(a);
  head_file.release(b);
}

std::vector<std::string> ModelFolder::names() const {
  std::vector<std::string> names;
  for (const auto& [name, home] : home_) names.push_back(name);
  return names;
}

absl::StatusOr<RawTensor> ModelFolder::tensor(std::string_view name,
                                              std::span<const int64_t> shape) const {
  const StoredTensor* stored = find(name);
  if (stored == nullptr) {
    return absl::InvalidArgumentError(
        concat(shards_.size() == 1 ? shards_.front().path() : "the model's files", ": tensor ",
               quote_for_message(name), " of shape ", show_shape(shape), " is missing"));
  }
  const SafetensorsFile& shard = shards_[home_.find(name)->second];
  const std::string place = concat(shard.path(), ": tensor ", quote_for_message(name));
  if (!std::equal(shape.begin(), shape.end(), stored->shape.begin(), stored->shape.end())) {
    return absl::InvalidArgumentError(concat(place, " has shape ", show_shape(stored->shape),
                                             ", config.json needs ", show_shape(shape)));
  }
  RawTensor raw = {DType::kF32, stored->shape, shard.bytes(*stored)};
  switch (stored->dtype) {
    case StoredDType::kF32:
      break;
    case StoredDType::kF16:
      raw.dtype = DType::kF16;
      break;
    case StoredDType::kBf16:
      raw.dtype = DType::kBf16;
      break;
    default:
      return absl::UnimplementedError(concat(place, " has dtype ", name_of(stored->dtype),
                                             ", supported are F32, F16 and BF16"));
  }
  used_.emplace(name);
  return raw;
}

absl::StatusOr<RawTensor> ModelFolder::tensor(std::string_view name,
                                              std::initializer_list<int64_t> shape) const {
  return tensor(name, std::span<const int64_t>(shape.begin(), shape.size()));
}

std::vector<std::string> ModelFolder::unused() const {
  std::vector<std::string> unused;
  for (const auto& [name, home] : home_) {
    if (used_.count(name) == 0) unused.push_back(name);
  }
  return unused;
}

absl::Status ModelFolder::check_all_used() const {
  for (const std::string& name : unused()) {
    const bool rope_table = name.ends_with(".rotary_emb.inv_freq");
    if (rope_table || (name == kHead && config_.tied_embeddings)) continue;
    return absl::UnimplementedError(concat(shards_[home_.find(name)->second].path(), ": tensor ",
                                           quote_for_message(name), " is not part of a ",
                                           config_.architecture, " as config.json describes it"));
  }
  return absl::OkStatus();
}

void ModelFolder::release(const RawTensor& tensor) const {
  for (const SafetensorsFile& shard : shards_) {
    if (shard.holds(tensor.bytes)) shard.release(tensor.bytes);
  }
}

absl::Status ModelFolder::check_unchanged() const {
  for (const SafetensorsFile& shard : shards_) {
    if (absl::Status unchanged = shard.check_unchanged(); !unchanged.ok()) return unchanged;
  }
  return absl::OkStatus();
}

uint64_t ModelFolder::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, home] : home_) {
    const StoredTensor& stored = *find(name);
    bytes += stored.end - stored.begin;
  }
  return bytes;
}

}  // namespace tessera
