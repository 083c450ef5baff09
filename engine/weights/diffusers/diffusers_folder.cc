#include "engine/weights/diffusers/diffusers_folder.h"

#include "engine/weights/diffusers/model_index.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"
#include "engine/weights/text_file.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr const char* kDiffusersStem = "diffusion_pytorch_model";
constexpr const char* kTransformersStem = "model";

// Tables that older versions of the libraries stored although they are computed or never read.
void drop_leftovers(TensorFiles& files) {
  for (const char* name :
       {"pos_embed.pos_embed", "temp_pos_embed", "caption_projection.y_embedding"}) {
    if (files.has(name)) files.drop(name);
  }
}

// A component's tensors; where a folder holds only the half-precision variant, that one.
absl::StatusOr<TensorFiles> open_tensors(const std::string& folder, const std::string& stem) {
  const auto has = [&](std::string_view end) {
    return path_exists(concat(folder, "/", stem, end));
  };
  const bool plain = has(".safetensors") || has(".safetensors.index.json");
  return TensorFiles::open(folder,
                           !plain && has(".fp16.safetensors") ? concat(stem, ".fp16") : stem);
}

absl::StatusOr<PipelineFiles> read_files(const std::string& path) {
  PipelineFiles files;
  for (const std::string& name : pipeline_file_names()) {
    absl::StatusOr<std::optional<std::string>> text =
        read_optional_text_file(concat(path, "/", name), kMaxConfigBytes);
    if (!text.ok()) return text.status();
    if (text->has_value()) files.emplace(name, **std::move(text));
  }
  return files;
}

}  // namespace

bool DiffusersFolder::is_at(const std::string& path) {
  if (path_exists(concat(path, "/", kModelIndexName))) return true;
  const absl::StatusOr<std::string> text =
      read_text_file(concat(path, "/config.json"), kMaxConfigBytes);
  if (!text.ok()) return false;
  const absl::StatusOr<nlohmann::json> config = parse_json_object("config.json", *text);
  return config.ok() && config->contains("_class_name");
}

absl::StatusOr<DiffusersFolder> DiffusersFolder::open(const std::string& path) {
  const absl::StatusOr<PipelineFiles> files = read_files(path);
  if (!files.ok()) return files.status();
  absl::StatusOr<PipelineConfig> config = parse_pipeline_config(*files);
  if (!config.ok()) {
    return absl::Status(config.status().code(), concat(path, "/", config.status().message()));
  }
  DiffusersFolder folder;
  folder.config_ = *std::move(config);
  absl::Status opened = folder.open_transformer(path);
  if (opened.ok() && folder.config_.vae.has_value()) opened = folder.open_vae(path);
  if (opened.ok() && folder.config_.text_encoder.has_value()) {
    opened = folder.open_text_encoder(path);
  }
  if (!opened.ok()) return opened;
  return folder;
}

absl::Status DiffusersFolder::open_transformer(const std::string& path) {
  const bool policy = std::holds_alternative<DiffusionPolicyConfig>(config_.transformer);
  absl::StatusOr<TensorFiles> files =
      policy ? TensorFiles::open(path, kTransformersStem)
             : open_tensors(concat(path, "/transformer"), kDiffusersStem);
  if (!files.ok()) return files.status();
  if (!std::holds_alternative<Sd3Config>(config_.transformer)) drop_leftovers(*files);
  if (const auto* dit = std::get_if<DitConfig>(&config_.transformer)) {
    if (absl::Status settled = drop_embedder_copies(*dit, *files); !settled.ok()) return settled;
  }
  const std::vector<ExpectedTensor> expected = expected_tensors(config_.transformer);
  absl::Status checked = files->check_exactly(class_name(config_.transformer), expected);
  if (!checked.ok()) return checked;
  const StoredDType stored = files->stored(expected.front().name).dtype;
  if (stored == StoredDType::kF16) weight_dtype_ = DType::kF16;
  if (stored == StoredDType::kBf16) weight_dtype_ = DType::kBf16;
  transformer_ = *std::move(files);
  return absl::OkStatus();
}

absl::Status DiffusersFolder::open_vae(const std::string& path) {
  absl::StatusOr<TensorFiles> files = open_tensors(concat(path, "/vae"), kDiffusersStem);
  if (!files.ok()) return files.status();
  settle_decoder(*config_.vae, *files);
  absl::Status checked = files->check_exactly(kAutoencoderKlClass, expected_tensors(*config_.vae));
  if (checked.ok()) vae_ = *std::move(files);
  return checked;
}

absl::Status DiffusersFolder::open_text_encoder(const std::string& path) {
  absl::StatusOr<TensorFiles> files =
      open_tensors(concat(path, "/text_encoder"), kTransformersStem);
  if (!files.ok()) return files.status();
  settle_encoder(*files);
  absl::Status checked = files->check_exactly(kT5Class, expected_tensors(*config_.text_encoder));
  if (checked.ok()) text_encoder_ = *std::move(files);
  return checked;
}

absl::Status DiffusersFolder::check_all_used() const {
  absl::Status status = transformer_->check_all_used(class_name(config_.transformer));
  if (vae_.has_value()) status.Update(vae_->check_all_used(kAutoencoderKlClass));
  if (text_encoder_.has_value()) status.Update(text_encoder_->check_all_used(kT5Class));
  return status;
}

absl::Status DiffusersFolder::check_unchanged() const {
  absl::Status status = transformer_->check_unchanged();
  if (vae_.has_value()) status.Update(vae_->check_unchanged());
  if (text_encoder_.has_value()) status.Update(text_encoder_->check_unchanged());
  return status;
}

uint64_t DiffusersFolder::tensor_bytes() const {
  uint64_t bytes = transformer_->tensor_bytes();
  if (vae_.has_value()) bytes += vae_->tensor_bytes();
  if (text_encoder_.has_value()) bytes += text_encoder_->tensor_bytes();
  return bytes;
}

}  // namespace tessera
