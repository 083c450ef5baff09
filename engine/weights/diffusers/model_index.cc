#include "engine/weights/diffusers/model_index.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 4> kPipelines = {kDitPipeline, kPixArtPipeline,
                                                        kLattePipeline, kSd3Pipeline};
constexpr size_t kMaxLabels = 1 << 20;
constexpr size_t kMaxLabelBytes = 1000;
constexpr size_t kMaxClassBytes = 200;

// Parts of supported pipelines that change no picture.
constexpr std::array<std::string_view, 3> kHarmless = {"feature_extractor", "image_encoder",
                                                       "safety_checker"};
// Prompts of SD3 come as embeddings: its encoders are not served.
bool is_prompt_part(std::string_view name) {
  return name.starts_with("tokenizer") || name.starts_with("text_encoder");
}

bool is_component(std::string_view pipeline, std::string_view name) {
  if (name == "transformer" || name == "vae" || name == "scheduler") return true;
  const bool reads_prompts = pipeline == kPixArtPipeline || pipeline == kLattePipeline;
  return reads_prompts && (name == "text_encoder" || name == "tokenizer");
}

// [library, class], or nulls where the folder has no such component.
void add_component(JsonFields& fields, const std::string& name, const nlohmann::json& value,
                   ModelIndex& index) {
  const bool pair = value.is_array() && value.size() == 2;
  if (value.is_null() || (pair && value[0].is_null() && value[1].is_null())) return;
  if (!pair || !value[0].is_string() || !value[1].is_string() ||
      value[1].get_ref<const std::string&>().size() > kMaxClassBytes) {
    return fields.refuse(name.c_str(), "must be a library and a class, or two nulls",
                         /*unsupported=*/false);
  }
  index.components.emplace(name, value[1].get<std::string>());
}

// {"0": "tench", ...}: labels from 0 without a gap.
void read_class_names(JsonFields& fields, ModelIndex& index) {
  const nlohmann::json& labels = fields.object("id2label");
  const std::string why = concat("must give each label from 0 on one name of up to ",
                                 kMaxLabelBytes, " bytes, at most ", kMaxLabels);
  const bool fits = labels.size() <= kMaxLabels;
  index.class_names.resize(fits ? labels.size() : 0);
  for (const auto& [key, name] : labels.items()) {
    size_t label = 0;
    const char* end = key.data() + key.size();
    const bool number =
        std::from_chars(key.data(), end, label).ptr == end && key == std::to_string(label);
    if (!fits || !number || label >= index.class_names.size() || !name.is_string() ||
        name.get_ref<const std::string&>().size() > kMaxLabelBytes) {
      index.class_names.clear();
      return fields.refuse_as("id2label", "unusable", why, /*unsupported=*/false);
    }
    index.class_names[label] = name.get<std::string>();
  }
}

}  // namespace

std::string supported_pipelines() {
  std::string list;
  for (const std::string_view name : kPipelines) list += concat(list.empty() ? "" : ", ", name);
  return concat("supported pipelines are ", list,
                " and converted diffusion policies (TransformerForDiffusion)");
}

absl::StatusOr<ModelIndex> parse_model_index(std::string_view text) {
  const absl::StatusOr<nlohmann::json> object = parse_json_object(kModelIndexName, text);
  if (!object.ok()) return object.status();
  absl::Status error;
  JsonFields fields(std::string(kModelIndexName), *object, error);
  ModelIndex index;
  index.pipeline = fields.text("_class_name", "");
  if (std::find(kPipelines.begin(), kPipelines.end(), index.pipeline) == kPipelines.end()) {
    fields.refuse("_class_name", supported_pipelines());
    return error;
  }
  for (const auto& [name, value] : object->items()) {
    if (name.starts_with('_') || name == "id2label") continue;
    if (is_component(index.pipeline, name)) {
      add_component(fields, name, value, index);
    } else if (value.is_array() &&
               std::find(kHarmless.begin(), kHarmless.end(), name) == kHarmless.end()) {
      const bool absent = value == nlohmann::json::array({nullptr, nullptr});
      if (!absent && index.notes.size() < 16) {
        index.notes.push_back(concat(kModelIndexName, ": ", quote_for_message(name),
                                     is_prompt_part(name)
                                         ? " is not used: prompts come as embeddings"
                                         : " is not known, ignored"));
      }
    }
  }
  if (index.pipeline == kDitPipeline) read_class_names(fields, index);
  if (!error.ok()) return error;
  return index;
}

}  // namespace tessera
