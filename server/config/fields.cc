#include "server/config/fields.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/address.h"
#include "server/config/scalars.h"

namespace tessera {
namespace {

using Type = Field::Type;

Field simple(std::string path, Type type, Field::Target target, std::string meaning) {
  return {.path = std::move(path), .type = type, .target = target, .meaning = std::move(meaning)};
}

Field bounded(Field field, double low, double high) {
  field.low = low;
  field.high = high;
  return field;
}

Field or_auto(Field field) {
  field.zero_is_auto = true;
  return field;
}

Field choice(std::string path, std::string* target, std::vector<std::string> choices,
             std::string meaning) {
  Field field = simple(std::move(path), Type::kChoice, target, std::move(meaning));
  field.choices = std::move(choices);
  return field;
}

void add_server(ServerConfig& c, std::vector<Field>& out) {
  out.push_back(
      simple("server.grpc_address", Type::kAddress, &c.grpc_address, "where gRPC listens"));
  out.push_back(simple("server.metrics_address", Type::kAddress, &c.metrics_address,
                       "where Prometheus finds /metrics"));
  out.push_back(simple("server.allow_insecure", Type::kFlag, &c.allow_insecure,
                       "allow addresses that other machines reach, without TLS or tokens"));
  out.push_back(bounded(simple("server.drain_seconds", Type::kSeconds, &c.drain_seconds,
                               "how long live requests may take to end after SIGTERM"),
                        0, 86400));
}

void add_model(ModelSettings& m, std::vector<Field>& out) {
  out.push_back(
      simple("model.path", Type::kPath, &m.path, "folder of the model (Hugging Face layout)"));
  out.push_back(
      simple("model.name", Type::kText, &m.name, "name clients use; empty = the folder's"));
  out.push_back(choice("model.dtype", &m.dtype, {"auto", "bf16", "f32"}, "weights; auto = bf16"));
  out.push_back(choice("model.sampling_defaults", &m.sampling_defaults, {"model", "neutral"},
                       "what absent sampling fields mean: generation_config.json or no change"));
  out.push_back(or_auto(bounded(simple("model.context_tokens", Type::kInteger, &m.context_tokens,
                                       "longest prompt + output; auto = the model's own limit"),
                                0, 1 << 28)));
}

void add_device(DeviceSettings& d, std::vector<Field>& out) {
  out.push_back(choice("device.backend", &d.backend, {"cpu", "reference"},
                       "reference is slow and defines what is right"));
  out.push_back(choice("device.isa", &d.isa,
                       {"auto", "scalar", "avx2", "avx512", "avx512_bf16", "amx"},
                       "instruction set to use at most; the output has the same bits on each"));
  out.push_back(or_auto(bounded(simple("device.threads", Type::kInteger, &d.threads,
                                       "compute threads; auto = what affinity and cgroup grant"),
                                0, 1024)));
  out.push_back(bounded(
      simple("device.ranks", Type::kInteger, &d.ranks, "tensor-parallel ranks in this process"), 1,
      64));
}

void add_kv_cache(KvCacheSettings& k, std::vector<Field>& out) {
  out.push_back(or_auto(bounded(simple("kv_cache.bytes", Type::kBytes, &k.bytes,
                                       "size of the KV pool; auto = memory_fraction"),
                                0, 9007199254740992.0)));
  Field fraction = bounded(simple("kv_cache.memory_fraction", Type::kNumber, &k.memory_fraction,
                                  "share of the memory that is free once the weights are loaded"),
                           0, 0.95);
  fraction.low_excluded = true;
  out.push_back(fraction);
  out.push_back(simple("kv_cache.prefix_caching", Type::kFlag, &k.prefix_caching,
                       "reuse the KV of prompts that begin alike"));
  out.push_back(bounded(simple("kv_cache.watermark", Type::kNumber, &k.watermark,
                               "share of the blocks kept free when a request is admitted"),
                        0, 0.5));
  out.push_back(or_auto(bounded(simple("kv_cache.blocks", Type::kInteger, &k.blocks,
                                       "exact number of blocks, for tests; auto = from the bytes"),
                                0, 1 << 30)));
  out.push_back(or_auto(bounded(
      simple("kv_cache.state_slots", Type::kInteger, &k.state_slots,
             "exact number of states of recurrent layers, for tests; auto = as many as help"),
      0, 1 << 24)));
}

void add_schedule(EngineConfig& e, std::vector<Field>& out) {
  ScheduleSettings& s = e.schedule;
  out.push_back(or_auto(bounded(simple("schedule.tokens_per_step", Type::kInteger,
                                       &s.tokens_per_step, "rows per step; auto = measured"),
                                0, 1 << 20)));
  out.push_back(bounded(simple("schedule.seqs_max", Type::kInteger, &s.seqs_max,
                               "outputs generated at the same time"),
                        1, 1024));
  out.push_back(bounded(simple("schedule.queue_requests_max", Type::kInteger, &s.queue_requests_max,
                               "waiting requests; more get RESOURCE_EXHAUSTED"),
                        1, 1 << 20));
  out.push_back(bounded(simple("schedule.queue_tokens_max", Type::kInteger, &s.queue_tokens_max,
                               "waiting prompt tokens; 0 = no bound of their own"),
                        0, 1ll << 40));
  out.push_back(bounded(
      simple("schedule.step_time_target_seconds", Type::kSeconds, &s.step_time_target_seconds,
             "long prompts are cut so that a step stays near this"),
      0.001, 60));
  out.push_back(bounded(simple("schedule.steps_in_flight", Type::kInteger, &s.steps_in_flight,
                               "2 plans a step while the one before runs"),
                        1, 2));
  out.push_back(simple("schedule.order", Type::kText, &s.order, "who is admitted next"));
  out.push_back(bounded(simple("schedule.hand_off_prefill_threshold_tokens", Type::kInteger,
                               &e.hand_off_prefill_threshold_tokens,
                               "prompts this long are prefilled by a second engine; 0 = none"),
                        0, 1 << 28));
}

void add_diffusion_model(DiffusionModelSettings& m, const std::string& at,
                         std::vector<Field>& out) {
  out.push_back(simple(at + ".path", Type::kPath, &m.path,
                       "folder of the model: diffusers layout, or a converted diffusion policy"));
  out.push_back(
      simple(at + ".name", Type::kText, &m.name, "name clients use; empty = the folder's"));
  out.push_back(choice(at + ".dtype", &m.dtype, {"auto", "bf16", "f32"}, "weights; auto = bf16"));
  out.push_back(or_auto(bounded(simple(at + ".rows_max", Type::kInteger, &m.rows_max,
                                       "token rows of a step; auto = from the network"),
                                0, 1 << 20)));
  out.push_back(or_auto(bounded(simple(at + ".memory_bytes", Type::kBytes, &m.memory_bytes,
                                       "latents and kept features of jobs; auto = memory_fraction"),
                                0, 9007199254740992.0)));
  Field fraction = bounded(simple(at + ".memory_fraction", Type::kNumber, &m.memory_fraction,
                                  "share of the memory that is free once the weights are loaded"),
                           0, 0.95);
  fraction.low_excluded = true;
  out.push_back(fraction);
  out.push_back(bounded(simple(at + ".queue_requests_max", Type::kInteger, &m.queue_requests_max,
                               "waiting requests; more get RESOURCE_EXHAUSTED"),
                        1, 1 << 20));
  out.push_back(
      bounded(simple(at + ".step_time_target_seconds", Type::kSeconds, &m.step_time_target_seconds,
                     "jobs join a step while it stays near this"),
              0.001, 600));
  out.push_back(or_auto(bounded(
      simple(at + ".steps", Type::kInteger, &m.steps,
             "denoising steps of requests that do not say; auto = as the pipeline of diffusers"),
      0, 1000)));
  out.push_back(or_auto(bounded(
      simple(at + ".guidance_scale", Type::kNumber, &m.guidance_scale,
             "guidance of requests that do not say, 1 = none; auto = as the pipeline of diffusers"),
      0, 100)));
}

void add_techniques(EngineConfig& e, std::vector<Field>& out) {
  out.push_back(simple("decode.proposer", Type::kTechnique, &e.proposer,
                       "speculation: who drafts tokens for the model to verify"));
  out.push_back(simple("branch.policy", Type::kTechnique, &e.branch_policy,
                       "which layers or branches are skipped or reused"));
  out.push_back(simple("attention", Type::kTechnique, &e.attention,
                       "another kind of attention than the model's own"));
}

void add_service(ServerConfig& c, std::vector<Field>& out) {
  out.push_back(simple("metrics.enabled", Type::kFlag, &c.metrics_enabled, "serve /metrics"));
  out.push_back(choice("logging.level", &c.log_level,
                       {"trace", "debug", "info", "warn", "error", "off"},
                       "least severe line shown"));
  out.push_back(simple("logging.requests", Type::kFlag, &c.log_requests,
                       "a line per request: id, lengths and times, never its text"));
  out.push_back(bounded(simple("limits.stall_seconds", Type::kSeconds, &c.stall_seconds,
                               "a client that reads nothing for this long is dropped"),
                        0.01, 86400));
  out.push_back(bounded(simple("limits.stream_buffer_bytes", Type::kBytes, &c.stream_buffer_bytes,
                               "unsent events of one stream; beyond that its client is dropped"),
                        65536, 1 << 30));
  out.push_back(bounded(simple("limits.request_bytes_max", Type::kBytes, &c.request_bytes_max,
                               "requests that may carry tensors; text requests have at most 1MiB"),
                        1 << 20, 1 << 30));
  out.push_back(bounded(simple("limits.admission_threads", Type::kInteger, &c.admission_threads,
                               "threads that check and tokenise incoming requests"),
                        1, 64));
  out.push_back(bounded(simple("limits.admission_queue_max", Type::kInteger, &c.admission_queue_max,
                               "requests waiting for that; more get RESOURCE_EXHAUSTED"),
                        1, 1 << 20));
}

std::string bound_text(const Field& field, double value) {
  if (field.type == Type::kBytes) return bytes_text(static_cast<uint64_t>(value));
  if (field.type == Type::kSeconds) return absl::StrCat(number_text(value), "s");
  return field.type == Type::kInteger ? absl::StrCat(static_cast<int64_t>(value))
                                      : number_text(value);
}

std::string range_text(const Field& field) {
  return absl::StrCat(field.low_excluded ? "above " : "", bound_text(field, field.low),
                      field.low_excluded ? ", at most " : "..", bound_text(field, field.high));
}

template <class Value>
absl::Status store_number(const Field& field, absl::StatusOr<Value> value) {
  if (!value.ok()) return value.status();
  const double number = static_cast<double>(*value);
  if (number < field.low || number > field.high || (field.low_excluded && number == field.low))
    return absl::InvalidArgumentError(
        absl::StrCat("must be ", range_text(field), ", found ", bound_text(field, number)));
  if (int* small = std::get_if<int*>(&field.target) ? std::get<int*>(field.target) : nullptr) {
    *small = static_cast<int>(*value);
    return absl::OkStatus();
  }
  if (int64_t* const* large = std::get_if<int64_t*>(&field.target)) {
    **large = static_cast<int64_t>(*value);
    return absl::OkStatus();
  }
  *std::get<Value*>(field.target) = *value;
  return absl::OkStatus();
}

absl::Status store_text(const Field& field, const std::string& text, absl::string_view folder) {
  std::string& target = *std::get<std::string*>(field.target);
  if (field.type == Type::kChoice &&
      std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end()) {
    const std::string near = nearest_key(text, field.choices);
    return absl::InvalidArgumentError(
        absl::StrCat("'", text.substr(0, 60), "' is none of ", absl::StrJoin(field.choices, ", "),
                     near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?")));
  }
  if (field.type == Type::kAddress) {
    if (absl::StatusOr<Address> address = parse_address(text); !address.ok())
      return address.status();
  }
  const bool joins = field.type == Type::kPath && !text.empty() && !folder.empty();
  target = joins ? (std::filesystem::path(std::string(folder)) / text).lexically_normal().string()
                 : text;
  return absl::OkStatus();
}

int edit_distance(absl::string_view a, absl::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = std::exchange(row[0], static_cast<int>(i));
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<Field> config_fields(ServerConfig& config) {
  std::vector<Field> fields;
  add_server(config, fields);
  add_model(config.engine.model, fields);
  for (size_t index = 0; index < config.diffusion_models.size(); ++index)
    add_diffusion_model(config.diffusion_models[index], model_path(index), fields);
  add_device(config.engine.device, fields);
  add_kv_cache(config.engine.kv_cache, fields);
  add_schedule(config.engine, fields);
  add_techniques(config.engine, fields);
  add_service(config, fields);
  return fields;
}

std::string model_path(size_t index) { return absl::StrCat(kModelListKey, "[", index, "]"); }

absl::Status assign(const Field& field, const YamlNode& value, absl::string_view folder) {
  if (value.kind == YamlNode::Kind::kNull)
    return absl::InvalidArgumentError("has no value; give it one or take the key out");
  if (value.kind != YamlNode::Kind::kScalar)
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", type_text(field), ", found a ",
                     value.kind == YamlNode::Kind::kMap ? "map" : "list"));
  const bool is_text = std::holds_alternative<std::string*>(field.target);
  if (is_text) return store_text(field, value.text, folder);
  if (value.quoted)
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", type_text(field), ", found quoted text"));
  const std::string& text = field.zero_is_auto && value.text == "auto" ? "0" : value.text;
  switch (field.type) {
    case Type::kFlag: {
      absl::StatusOr<bool> flag = parse_flag(text);
      if (flag.ok()) *std::get<bool*>(field.target) = *flag;
      return flag.status();
    }
    case Type::kInteger:
      return store_number(field, parse_integer(text));
    case Type::kBytes:
      return store_number(field, parse_bytes(text));
    case Type::kSeconds:
      return store_number(field, parse_seconds(text));
    default:
      return store_number(field, parse_number(text));
  }
}

std::string value_text(const Field& field) {
  const auto number = [&](double value, std::string text) {
    return field.zero_is_auto && value == 0 ? std::string("auto") : text;
  };
  if (auto* const* text = std::get_if<std::string*>(&field.target)) return yaml_text(**text);
  if (auto* const* flag = std::get_if<bool*>(&field.target)) return **flag ? "true" : "false";
  if (auto* const* small = std::get_if<int*>(&field.target))
    return number(**small, absl::StrCat(**small));
  if (auto* const* large = std::get_if<int64_t*>(&field.target))
    return number(static_cast<double>(**large), field.type == Type::kBytes
                                                    ? bytes_text(static_cast<uint64_t>(**large))
                                                    : absl::StrCat(**large));
  if (auto* const* bytes = std::get_if<uint64_t*>(&field.target))
    return number(static_cast<double>(**bytes), bytes_text(**bytes));
  const double real = *std::get<double*>(field.target);
  return number(real, number_text(real));
}

std::string type_text(const Field& field) {
  const absl::string_view automatic = field.zero_is_auto ? "auto or " : "";
  switch (field.type) {
    case Type::kText:
      return "text";
    case Type::kPath:
      return "a path";
    case Type::kAddress:
      return "host:port";
    case Type::kChoice:
      return absl::StrJoin(field.choices, " | ");
    case Type::kFlag:
      return "true | false";
    case Type::kInteger:
      return absl::StrCat(automatic, "a whole number, ", range_text(field));
    case Type::kNumber:
      return absl::StrCat(automatic, "a number, ", range_text(field));
    case Type::kBytes:
      return absl::StrCat(automatic, "a size, ", range_text(field));
    case Type::kSeconds:
      return absl::StrCat(automatic, "a time, ", range_text(field));
    case Type::kTechnique:
      return "a map: kind, and the technique's own keys";
  }
  return "";
}

std::string nearest_key(absl::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > 64) return "";
  std::string best;
  int best_distance = std::max<int>(2, static_cast<int>(name.size()) / 3) + 1;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace tessera
