#include "engine/weights/diffusers/pipeline_config.h"

#include <utility>

#include "engine/weights/diffusers/component.h"
#include "engine/weights/diffusers/model_index.h"

namespace tessera {
namespace {

constexpr const char* kTransformerFile = "transformer/config.json";
constexpr const char* kVaeFile = "vae/config.json";
constexpr const char* kTextEncoderFile = "text_encoder/config.json";
constexpr const char* kSchedulerFile = "scheduler/scheduler_config.json";
constexpr const char* kPolicyFile = "config.json";
constexpr const char* kTokenizer = "tokenizer";

// The one network that each pipeline can have.
std::string_view transformer_of(std::string_view pipeline) {
  if (pipeline == kDitPipeline) return kDitClass;
  if (pipeline == kPixArtPipeline) return kPixArtClass;
  return pipeline == kLattePipeline ? kLatteClass : kSd3Class;
}

// Transformer2DModel was the class of several networks; norm_type tells them apart.
std::string_view todays_name(std::string_view name, std::string_view norm_type) {
  if (name != "Transformer2DModel") return name;
  if (norm_type == "ada_norm_zero") return kDitClass;
  return norm_type == "ada_norm_single" ? kPixArtClass : name;
}

// Reads one pipeline's files; a step after a mistake does nothing.
class PipelineReader {
 public:
  PipelineReader(const PipelineFiles& files, ModelIndex index)
      : files_(files), index_(std::move(index)) {
    config_.pipeline = index_.pipeline;
    config_.class_names = std::move(index_.class_names);
    config_.notes = std::move(index_.notes);
  }

  absl::StatusOr<PipelineConfig> read() {
    read_transformer();
    read_scheduler();
    read_vae();
    read_text_encoder();
    if (!error_.ok()) return error_;
    return std::move(config_);
  }

 private:
  bool listed(const char* component) const { return index_.components.count(component) != 0; }

  void fail(absl::Status status) {
    if (error_.ok()) error_ = std::move(status);
  }

  // The file of a component that must be there.
  const std::string* required(const char* component, const char* file) {
    if (!listed(component)) {
      fail(absl::InvalidArgumentError(concat(kModelIndexName, ": ", component, " is missing, a ",
                                             index_.pipeline, " needs it")));
      return nullptr;
    }
    const auto text = files_.find(file);
    if (text != files_.end()) return &text->second;
    fail(absl::NotFoundError(
        concat(file, ": missing, though ", kModelIndexName, " names a ", component)));
    return nullptr;
  }

  // The file of a component that may be absent.
  const std::string* optional(const char* component, const char* file, const char* without) {
    const auto text = files_.find(file);
    if (listed(component) && text != files_.end()) return &text->second;
    config_.notes.push_back(concat(
        component, listed(component) ? " is named but its folder is not there; " : ": none; ",
        without));
    return nullptr;
  }

  void require_class(const char* component, std::string_view wanted) {
    const std::string& found = index_.components.find(component)->second;
    if (found == wanted) return;
    fail(absl::UnimplementedError(concat(kModelIndexName, ": ", component, " is of class ",
                                         quote_for_message(found), ", a ", index_.pipeline,
                                         " is served with ", wanted)));
  }

  template <class Config>
  std::optional<Config> parse(const char* file, const std::string& text,
                              Config (*read)(JsonFields&)) {
    absl::StatusOr<Config> config = parse_component(file, text, read, config_.notes);
    if (config.ok()) return *std::move(config);
    fail(config.status());
    return std::nullopt;
  }

  // The class in the component's own config.json, which older folders do not have, and the index
  // must mean the same.
  bool check_transformer_class(const std::string& text) {
    const absl::StatusOr<nlohmann::json> object = parse_json_object(kTransformerFile, text);
    if (!object.ok()) {
      fail(object.status());
      return false;
    }
    JsonFields fields(kTransformerFile, *object, error_);
    const std::string norm_type = fields.text("norm_type", "");
    const std::string_view wanted = transformer_of(index_.pipeline);
    const std::string& listed = index_.components.find("transformer")->second;
    if (todays_name(fields.text("_class_name", wanted), norm_type) != wanted) {
      fields.refuse("_class_name", concat("a ", index_.pipeline, " has a ", wanted));
    }
    if (todays_name(listed, norm_type) != wanted) require_class("transformer", wanted);
    return error_.ok();
  }

  template <class Config>
  void read_transformer(const std::string& text, Config (*read)(JsonFields&)) {
    if (auto config = parse(kTransformerFile, text, read); config.has_value()) {
      config_.transformer = *std::move(config);
    }
  }

  void read_transformer() {
    const std::string* text = required("transformer", kTransformerFile);
    if (text == nullptr || !check_transformer_class(*text)) return;
    if (index_.pipeline == kDitPipeline) read_transformer(*text, read_dit_config);
    if (index_.pipeline == kPixArtPipeline) read_transformer(*text, read_pixart_config);
    if (index_.pipeline == kLattePipeline) read_transformer(*text, read_latte_config);
    if (index_.pipeline == kSd3Pipeline) read_transformer(*text, read_sd3_config);
    check_class_names();
  }

  void check_class_names() {
    const auto* dit = std::get_if<DitConfig>(&config_.transformer);
    const size_t names = config_.class_names.size();
    if (dit == nullptr || names == 0 || names == static_cast<size_t>(dit->classes)) return;
    fail(absl::InvalidArgumentError(concat(kModelIndexName, ": id2label names ", names,
                                           " classes, num_embeds_ada_norm of ", kTransformerFile,
                                           " is ", dit->classes)));
  }

  void read_scheduler() {
    const std::string* text = required("scheduler", kSchedulerFile);
    if (text != nullptr) config_.scheduler = *text;
  }

  int latent_channels() const {
    return std::visit(
        [](const auto& config) {
          if constexpr (std::is_base_of_v<TransformerShape, std::decay_t<decltype(config)>>) {
            return config.in_channels;
          } else {
            return 0;
          }
        },
        config_.transformer);
  }

  void read_vae() {
    const std::string* text = optional("vae", kVaeFile, "answers are latents");
    if (text == nullptr || !error_.ok()) return;
    require_class("vae", kAutoencoderKlClass);
    config_.vae = parse(kVaeFile, *text, read_autoencoder_kl_config);
    if (!error_.ok() || config_.vae->latent_channels == latent_channels()) return;
    fail(absl::InvalidArgumentError(concat(kVaeFile, ": latent_channels is ",
                                           config_.vae->latent_channels, ", but in_channels of ",
                                           kTransformerFile, " is ", latent_channels())));
  }

  int caption_channels() const {
    const auto* pixart = std::get_if<PixArtConfig>(&config_.transformer);
    const auto* latte = std::get_if<LatteConfig>(&config_.transformer);
    return pixart != nullptr  ? pixart->caption_channels
           : latte != nullptr ? latte->caption_channels
                              : 0;
  }

  void read_text_encoder() {
    if (!error_.ok() || caption_channels() == 0) return;
    const std::string* text =
        optional("text_encoder", kTextEncoderFile, "prompts come as embeddings");
    if (text == nullptr) return;
    require_class("text_encoder", kT5Class);
    if (!listed(kTokenizer)) {
      return fail(absl::InvalidArgumentError(
          concat(kModelIndexName, ": tokenizer is missing, the text_encoder needs it")));
    }
    const std::string& tokenizer = index_.components.find(kTokenizer)->second;
    if (tokenizer != "T5TokenizerFast") require_class(kTokenizer, "T5Tokenizer");
    config_.tokenizer_folder = kTokenizer;
    config_.text_encoder = parse(kTextEncoderFile, *text, read_t5_config);
    if (!error_.ok() || config_.text_encoder->width == caption_channels()) return;
    fail(absl::InvalidArgumentError(
        concat(kTextEncoderFile, ": d_model is ", config_.text_encoder->width,
               ", but caption_channels of ", kTransformerFile, " is ", caption_channels())));
  }

  const PipelineFiles& files_;
  ModelIndex index_;
  PipelineConfig config_;
  absl::Status error_;
};

absl::StatusOr<PipelineConfig> parse_policy(const std::string& text) {
  PipelineConfig config;
  config.pipeline = kDiffusionPolicyClass;
  const absl::StatusOr<nlohmann::json> object = parse_json_object(kPolicyFile, text);
  if (!object.ok()) return object.status();
  absl::Status error;
  JsonFields fields(kPolicyFile, *object, error);
  if (fields.text("_class_name", "") != kDiffusionPolicyClass) {
    fields.refuse("_class_name",
                  concat("and there is no ", kModelIndexName, "; ", supported_pipelines()));
    return error;
  }
  absl::StatusOr<DiffusionPolicyConfig> policy =
      parse_component(kPolicyFile, text, read_diffusion_policy_config, config.notes);
  if (!policy.ok()) return policy.status();
  config.scheduler = policy->scheduler;
  config.transformer = *std::move(policy);
  return config;
}

}  // namespace

std::vector<std::string> pipeline_file_names() {
  return {std::string(kModelIndexName),
          kTransformerFile,
          kVaeFile,
          kTextEncoderFile,
          kSchedulerFile,
          kPolicyFile};
}

absl::StatusOr<PipelineConfig> parse_pipeline_config(const PipelineFiles& files) {
  const auto index_text = files.find(kModelIndexName);
  if (index_text != files.end()) {
    absl::StatusOr<ModelIndex> index = parse_model_index(index_text->second);
    if (!index.ok()) return index.status();
    return PipelineReader(files, *std::move(index)).read();
  }
  const auto policy = files.find(kPolicyFile);
  if (policy != files.end()) return parse_policy(policy->second);
  return absl::NotFoundError(
      concat("has neither ", kModelIndexName, " nor ", kPolicyFile, "; ", supported_pipelines()));
}

std::string_view class_name(const TransformerConfig& config) {
  constexpr std::string_view kClasses[] = {kDitClass, kPixArtClass, kLatteClass, kSd3Class,
                                           kDiffusionPolicyClass};
  return kClasses[config.index()];
}

std::vector<ExpectedTensor> expected_tensors(const TransformerConfig& config) {
  return std::visit([](const auto& network) { return expected_tensors(network); }, config);
}

}  // namespace tessera
