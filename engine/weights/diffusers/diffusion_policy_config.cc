#include "engine/weights/diffusers/diffusion_policy_config.h"

#include <cmath>

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr int kMaxVectorWidth = 1 << 12;  // of an action or an observation
constexpr int kMaxHorizon = 1 << 12;
constexpr int kMaxSteps = 1 << 16;
constexpr size_t kMaxNameBytes = 256;
constexpr double kMaxNumber = 1e30;  // of a normaliser; its inverse is a float too

const std::string kActionKey = "action";

void read_vector(JsonFields& fields, const char* key, bool zero_allowed, size_t width,
                 std::vector<float>& values) {
  const nlohmann::json* list = fields.find(key);
  const std::string why = concat("must list ", width, " numbers up to ", kMaxNumber,
                                 zero_allowed ? "" : ", none of them 0");
  if (list == nullptr || !list->is_array() || list->size() != width) {
    return fields.refuse(key, why, /*unsupported=*/false);
  }
  for (const nlohmann::json& entry : *list) {
    const double value = entry.is_number() ? entry.get<double>() : kMaxNumber * 2;
    const double size = std::abs(value);
    if (size > kMaxNumber || (!zero_allowed && size < 1 / kMaxNumber)) {
      return fields.refuse(key, why, /*unsupported=*/false);
    }
    values.push_back(static_cast<float>(value));
  }
}

void add_normalizer(JsonFields& normalizers, const std::string& name, int width,
                    LinearNormalizer& normalizer) {
  if (!normalizers.has(name.c_str())) {
    return normalizers.refuse(name.c_str(), "it must be an object with scale and offset",
                              /*unsupported=*/false);
  }
  JsonFields fields(concat(normalizers.place(), ": ", name), normalizers.object(name.c_str()),
                    normalizers.error());
  read_vector(fields, "scale", /*zero_allowed=*/false, width, normalizer.scale);
  read_vector(fields, "offset", /*zero_allowed=*/true, width, normalizer.offset);
}

void read_parts(JsonFields& fields, DiffusionPolicyConfig& config) {
  const nlohmann::json* list = fields.find("obs_keys");
  const std::string why = concat(
      "must list objects with name and width; the widths must add up to "
      "cond_dim, which is ",
      config.observation_width);
  int64_t sum = 0;
  if (list != nullptr && list->is_array()) {
    for (const nlohmann::json& entry : *list) {
      const bool fits = entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
                        entry.contains("width") && entry["width"].is_number_unsigned() &&
                        entry["width"] >= 1 && entry["width"] <= kMaxVectorWidth;
      if (!fits || entry["name"].get_ref<const std::string&>().size() > kMaxNameBytes) break;
      config.observation_parts.push_back(
          {entry["name"].get<std::string>(), entry["width"].get<int>()});
      sum += config.observation_parts.back().width;
      if (sum > config.observation_width) break;
    }
  }
  if (sum != config.observation_width || config.observation_parts.size() != list->size()) {
    fields.refuse("obs_keys", why, /*unsupported=*/false);
  }
}

void read_normalizers(JsonFields& fields, DiffusionPolicyConfig& config) {
  JsonFields normalizers(concat(fields.place(), ": normalizer"), fields.object("normalizer"),
                         fields.error());
  for (const ObservationPart& part : config.observation_parts) {
    add_normalizer(normalizers, part.name, part.width, config.observation);
  }
  add_normalizer(normalizers, kActionKey, config.action_width, config.action);
}

}  // namespace

DiffusionPolicyConfig read_diffusion_policy_config(JsonFields& fields) {
  DiffusionPolicyConfig config;
  config.layers = fields.required_integer("n_layer", 1, kMaxBlocks);
  config.heads = fields.required_integer("n_head", 1, kMaxHeads);
  config.width = fields.required_integer("n_emb", 4, kMaxWidth);
  config.action_width = fields.required_integer("input_dim", 1, kMaxVectorWidth);
  config.observation_width = fields.required_integer("cond_dim", 1, kMaxVectorWidth);
  config.horizon = fields.required_integer("horizon", 1, kMaxHorizon);
  config.observation_steps = fields.required_integer("n_obs_steps", 1, kMaxHorizon);
  config.action_steps = fields.required_integer("n_action_steps", 1, config.horizon);
  config.first_action_step =
      fields.integer("first_action_step", config.observation_steps - 1, 0, config.horizon - 1);
  config.default_steps = fields.integer("num_inference_steps", 0, 0, kMaxSteps);
  if (config.width % (2 * config.heads) != 0) {
    fields.refuse("n_emb", concat("must be a multiple of twice n_head, which is ", config.heads));
  }
  require_value(fields, "output_dim", config.action_width);
  require_value(fields, "n_cond_layers", 0);
  for (const char* key : {"causal_attn", "time_as_cond", "obs_as_cond"}) {
    require_value(fields, key, true);
  }
  if (config.first_action_step + config.action_steps > config.horizon) {
    fields.refuse("n_action_steps",
                  concat("must end within the horizon of ", config.horizon,
                         ", beginning at first_action_step, which is ", config.first_action_step),
                  /*unsupported=*/false);
  }
  if (!fields.ok()) return config;
  read_parts(fields, config);
  if (!fields.ok()) return config;
  read_normalizers(fields, config);
  if (!fields.has("scheduler")) fields.refuse("scheduler", "it must be an object", false);
  config.scheduler = fields.object("scheduler").dump();
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const DiffusionPolicyConfig& config) {
  TensorList list;
  const int64_t width = config.width;
  list.add_linear("input_emb", width, config.action_width);
  list.add("pos_emb", {1, config.horizon, width});
  list.add_linear("cond_obs_emb", width, config.observation_width);
  list.add("cond_pos_emb", {1, 1 + config.observation_steps, width});
  list.add_linear("encoder.0", 4 * width, width);
  list.add_linear("encoder.2", width, 4 * width);
  for (int layer = 0; layer < config.layers; ++layer) {
    const std::string at = concat("decoder.layers.", layer, ".");
    for (const char* attention : {"self_attn.", "multihead_attn."}) {
      list.add(at + attention + "in_proj_weight", {3 * width, width});
      list.add(at + attention + "in_proj_bias", {3 * width});
      list.add_linear(at + attention + "out_proj", width, width);
    }
    list.add_linear(at + "linear1", 4 * width, width);
    list.add_linear(at + "linear2", width, 4 * width);
    for (const char* norm : {"norm1", "norm2", "norm3"}) list.add_norm(at + norm, width);
  }
  list.add_norm("ln_f", width);
  list.add_linear("head", config.action_width, width);
  return list.take();
}

}  // namespace tessera
