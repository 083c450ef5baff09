#include "engine/weights/rope_config.h"

#include <string>

#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr double kMinTheta = 2;     // its logarithm is divided by
constexpr double kMaxTheta = 1e12;  // published models stay below 1e8
constexpr double kMaxFactor = 1e6;
constexpr int kMaxPositions = 1 << 28;

void refuse_partial_rotation(JsonFields& fields) {
  if (fields.number("partial_rotary_factor", 1.0, 0.0, 1.0) != 1.0) {
    fields.refuse("partial_rotary_factor", "only 1 is supported");
  }
}

double required_number(JsonFields& fields, const char* key, double min, double max) {
  if (!fields.has(key)) fields.refuse(key, "which this rope type needs", /*unsupported=*/false);
  return fields.number(key, min, min, max);
}

RopeKind parse_kind(JsonFields& rope) {
  const char* key = rope.has("rope_type") ? "rope_type" : "type";
  const std::string kind = rope.text(key, "default");
  if (kind == "default") return RopeKind::kDefault;
  if (kind == "linear") return RopeKind::kLinear;
  if (kind == "llama3") return RopeKind::kLlama3;
  if (kind == "yarn") return RopeKind::kYarn;
  rope.refuse(key, "supported are default, linear, llama3 and yarn");
  return RopeKind::kDefault;
}

void parse_llama3(JsonFields& rope, RopeConfig& parsed) {
  parsed.low_freq_factor = required_number(rope, "low_freq_factor", 1e-3, kMaxFactor);
  parsed.high_freq_factor = required_number(rope, "high_freq_factor", 1e-3, kMaxFactor);
  if (parsed.high_freq_factor <= parsed.low_freq_factor) {
    rope.refuse("high_freq_factor", "must be above low_freq_factor", /*unsupported=*/false);
  }
}

void parse_yarn(JsonFields& rope, int max_positions, RopeConfig& parsed) {
  if (!rope.has("factor") && rope.names("factor")) {
    parsed.factor = static_cast<double>(max_positions) / parsed.original_positions;
  }
  // A zero in these four counts as absent, as the Python truth value of 0 does.
  const double beta_fast = rope.number("beta_fast", 0, 0, kMaxFactor);
  const double beta_slow = rope.number("beta_slow", 0, 0, kMaxFactor);
  if (beta_fast != 0) parsed.beta_fast = beta_fast;
  if (beta_slow != 0) parsed.beta_slow = beta_slow;
  parsed.mscale = rope.number("mscale", 0, 0, kMaxFactor);
  parsed.mscale_all_dim = rope.number("mscale_all_dim", 0, 0, kMaxFactor);
  parsed.truncate = rope.flag("truncate", true);
  if (rope.has("attention_factor")) {
    parsed.attention_factor = rope.number("attention_factor", 1, 1e-6, kMaxFactor);
  }
}

}  // namespace

RopeConfig parse_rope_config(JsonFields& config, int max_positions, absl::Status& error) {
  const bool old_dialect = config.has("rope_scaling") && !config.object("rope_scaling").empty();
  const char* key = old_dialect ? "rope_scaling" : "rope_parameters";
  JsonFields rope(concat(config.place(), ": ", key), config.object(key), error);

  RopeConfig parsed;
  for (const char* nested : {"full_attention", "sliding_attention", "mrope_section"}) {
    if (rope.has(nested)) rope.refuse(nested, "one plain rope for all layers is supported");
  }
  refuse_partial_rotation(config);
  refuse_partial_rotation(rope);
  parsed.kind = parse_kind(rope);
  parsed.theta = config.number("rope_theta", parsed.theta, kMinTheta, kMaxTheta);
  parsed.theta = rope.number("rope_theta", parsed.theta, kMinTheta, kMaxTheta);
  if (parsed.kind == RopeKind::kDefault) return parsed;

  const char* original = "original_max_position_embeddings";
  parsed.original_positions = rope.integer(original, max_positions, 1, kMaxPositions);
  parsed.original_positions = config.integer(original, parsed.original_positions, 1, kMaxPositions);
  const bool null_factor = rope.names("factor") && !rope.has("factor");
  if (parsed.kind != RopeKind::kYarn || !null_factor) {
    parsed.factor = required_number(rope, "factor", 1.0, kMaxFactor);
  }
  if (parsed.kind == RopeKind::kLlama3) parse_llama3(rope, parsed);
  if (parsed.kind == RopeKind::kYarn) parse_yarn(rope, max_positions, parsed);
  return parsed;
}

}  // namespace tessera
