// Engine::create: from settings to a warm engine.
#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "engine/builtin/builtin.h"
#include "engine/run/hand_off.h"
#include "engine/run/measure.h"
#include "engine/run/memory_plan.h"
#include "engine/run/text_engine.h"

namespace tessera {
namespace {

constexpr int kRowsMaxDefault = 512;
constexpr double kWarmUpSeconds = 20;  // most time that measuring may take

absl::Status check_range(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  std::ostringstream message;
  message << field << " is " << value << ", must be in [" << low << ", " << high << "]";
  return absl::InvalidArgumentError(message.str());
}

absl::Status check_settings(const EngineConfig& config) {
  const ScheduleSettings& schedule = config.schedule;
  absl::Status status =
      check_range("schedule.seqs_max", static_cast<double>(schedule.seqs_max), 1, 1024);
  status.Update(check_range("schedule.tokens_per_step",
                            static_cast<double>(schedule.tokens_per_step), 0, 65536));
  status.Update(check_range("schedule.steps_in_flight", schedule.steps_in_flight, 1, 2));
  status.Update(check_range("schedule.step_time_target_seconds", schedule.step_time_target_seconds,
                            0.001, 3600));
  status.Update(
      check_range("kv_cache.memory_fraction", config.kv_cache.memory_fraction, 0.001, 0.95));
  status.Update(check_range("kv_cache.watermark", config.kv_cache.watermark, 0, 0.5));
  status.Update(check_range("kv_cache.state_slots",
                            static_cast<double>(config.kv_cache.state_slots), 0, 1 << 24));
  status.Update(check_range("device.ranks", config.device.ranks, 1, 64));
  status.Update(check_range("device.threads", config.device.threads, 0, 4096));
  status.Update(check_range("model.context_tokens",
                            static_cast<double>(config.model.context_tokens), 0, 1 << 24));
  if (config.model.dtype != "auto" && config.model.dtype != "bf16" && config.model.dtype != "f32") {
    status.Update(absl::InvalidArgumentError("model.dtype is \"" + config.model.dtype +
                                             "\", must be auto, bf16 or f32"));
  }
  if (config.model.sampling_defaults != "model" && config.model.sampling_defaults != "neutral") {
    status.Update(absl::InvalidArgumentError("model.sampling_defaults is \"" +
                                             config.model.sampling_defaults +
                                             "\", must be model or neutral"));
  }
  return status;
}

// Layers that attend, by spec and page lifetime; recurrent ones are in none. Layers that the
// deployment's branch policy leaves without generated KV stand apart, so that their pages can go
// after the prompt.
std::vector<AttentionGroup> attention_groups(const ModelConfig& config,
                                             const std::vector<int>& layers_without,
                                             std::vector<int>& group_of_layer) {
  std::vector<AttentionGroup> groups;
  std::map<std::tuple<int, int, int, int, bool>, int> known;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (config.recurrent[layer]) {
      group_of_layer.push_back(-1);
      continue;
    }
    const LayerAttention& from = config.layer_attention[layer];
    const bool without =
        std::find(layers_without.begin(), layers_without.end(), layer) != layers_without.end();
    const auto [found, is_new] =
        known.emplace(std::tuple(from.window_tokens, from.sink_tokens, from.block_stride,
                                 from.block_tokens, without),
                      static_cast<int>(groups.size()));
    if (is_new) {
      groups.push_back(
          {{from.window_tokens, from.sink_tokens, from.block_stride, from.block_tokens}, {}, 0});
    }
    groups[found->second].layers.push_back(layer);
    group_of_layer.push_back(found->second);
  }
  return groups;
}

StateGroup state_group(const ModelConfig& config) {
  StateGroup group;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (config.recurrent[layer]) group.layers.push_back(layer);
  }
  return group;
}

KvCacheShape cache_shape(const std::vector<AttentionGroup>& groups) {
  KvCacheShape shape;
  for (const AttentionGroup& group : groups) {
    shape.groups.push_back(
        {group.spec.window, group.spec.sink, group.spec.block_stride, group.spec.block_tokens});
    shape.blocks.push_back(group.blocks);
  }
  return shape;
}

// Longest prompt that the pools can hold with one token of output.
int64_t longest_prompt(const KvCacheShape& shape, int64_t context_tokens, int64_t rows) {
  int64_t low = 0, high = context_tokens;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (check_prompt_fits(shape, middle, rows).ok()) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

int64_t parameter_count(const ModelConfig& c) {
  const int64_t attention = int64_t{c.width} * c.head_width * (2 * c.heads + 2 * c.kv_heads);
  const int64_t recurrence = int64_t{c.width} * c.state_width * 4 + 3 * int64_t{c.state_width};
  const int64_t ffn = 3 * int64_t{c.width} * c.ffn_width;
  const int64_t embedding = int64_t{c.vocab_size} * c.width * (c.tied_embeddings ? 1 : 2);
  return c.layers * (attention + recurrence + ffn + 2 * c.width) + embedding + c.width;
}

absl::Status load_served_model(const EngineConfig& config, ServedModel& served) {
  const std::filesystem::path path = config.model.path;
  served.name = config.model.name;
  if (served.name.empty()) {
    served.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  }
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::load(path);
  if (!tokenizer.ok()) return tokenizer.status();
  served.tokenizer = *std::move(tokenizer);
  absl::StatusOr<ChatTemplates> chat = ChatTemplates::load(path);
  if (!chat.ok()) return chat.status();
  served.chat = std::make_unique<ChatTemplates>(*std::move(chat));
  served.end_ids = served.config.end_ids;
  if (!served.config.end_token.empty()) {
    if (const auto id = served.tokenizer->token_id(served.config.end_token)) {
      served.end_ids.push_back(*id);
    }
  }
  std::sort(served.end_ids.begin(), served.end_ids.end());
  served.end_ids.erase(std::unique(served.end_ids.begin(), served.end_ids.end()),
                       served.end_ids.end());
  served.neutral_sampling = config.model.sampling_defaults == "neutral";
  served.proposer = config.proposer;
  served.branch_policy = config.branch_policy;
  for (int layer = 0; layer < served.config.layers; ++layer) {
    served.branch_model.sites.push_back({layer, Part::kMixer});
    served.branch_model.sites.push_back({layer, Part::kMlp});
  }
  served.branch_model.layers = served.config.layers;
  return absl::OkStatus();
}

// The deployment's techniques are made once here, so that bad parameters stop the start.
absl::Status check_techniques(const ServedModel& served, std::vector<int>& layers_without) {
  if (served.proposer.kind != "none") {
    const auto made = builtin().proposers.make(served.proposer.kind, served.proposer.params);
    if (!made.ok()) return made.status();
  }
  if (served.branch_policy.kind != "none") {
    const auto made = builtin().branch_policies.make(
        served.branch_policy.kind, served.branch_policy.params, served.branch_model);
    if (!made.ok()) return made.status();
    layers_without = (*made)->layers_without_generated_kv();
  }
  return absl::OkStatus();
}

absl::Status apply_attention_kind(const TechniqueSettings& attention, ModelConfig& config) {
  if (attention.kind == "none") return absl::OkStatus();
  if (!state_group(config).layers.empty()) {
    return absl::UnimplementedError("attention.kind is \"" + attention.kind +
                                    "\", but layers of a " + config.architecture +
                                    " do not attend");
  }
  const auto kind = builtin().attention_kinds.make(attention.kind, attention.params);
  if (!kind.ok()) return kind.status();
  absl::StatusOr<std::vector<LayerAttention>> layers = (*kind)->layers(config);
  if (!layers.ok()) return layers.status();
  config.layer_attention = *std::move(layers);
  return absl::OkStatus();
}

absl::Status start_workers(const std::shared_ptr<Device>& device, const WorkerPlan& plan,
                           const ModelFolder& folder, int ranks, TextEngineParts& parts) {
  parts.meeting = std::make_unique<Meeting>(ranks);
  for (int index = 0; index < ranks; ++index) {
    const Rank rank{index, ranks, ranks > 1 ? parts.meeting.get() : nullptr};
    absl::StatusOr<std::unique_ptr<RankWorker>> worker = RankWorker::create(device, plan, rank);
    if (!worker.ok()) return worker.status();
    parts.workers.push_back(*std::move(worker));
  }
  if (absl::Status status = folder.tensors().check_unchanged(); !status.ok()) return status;
  for (const std::unique_ptr<RankWorker>& worker : parts.workers) {
    if (absl::Status status = worker->load(folder); !status.ok()) return status;
  }
  return folder.check_all_used();
}

absl::Status fit_cost_model(const WorkerPlan& plan, TextEngineParts& parts) {
  absl::StatusOr<std::vector<StepSample>> samples =
      measure_steps(parts.workers, plan, kWarmUpSeconds);
  if (!samples.ok()) return samples.status();
  parts.cost = std::make_unique<CostModel>(CostModel::fit(*samples));
  parts.cost_samples = *std::move(samples);
  const ScheduleSettings& schedule = parts.config.schedule;
  parts.limits.tokens_per_step =
      schedule.tokens_per_step > 0
          ? schedule.tokens_per_step
          : std::max(
                parts.cost->token_budget(plan.limits.rows_max, schedule.step_time_target_seconds),
                std::min<int64_t>(schedule.seqs_max, plan.limits.rows_max));
  parts.limits.seqs_max = schedule.seqs_max;
  parts.limits.watermark = parts.config.kv_cache.watermark;
  parts.limits.step_time_target_seconds = schedule.step_time_target_seconds;
  parts.limits.cost = parts.cost.get();
  return absl::OkStatus();
}

ModelInfo model_info(const ServedModel& served, DType dtype) {
  ModelInfo info;
  info.name = served.name;
  info.architecture = served.config.architecture;
  info.dtype = std::string(name_of(dtype));
  info.parameters = parameter_count(served.config);
  info.context_tokens = served.context_tokens;
  info.vocab_size = served.config.vocab_size;
  info.layers = served.config.layers;
  info.has_chat_template = served.chat->ready().ok();
  info.end_ids = served.end_ids;
  return info;
}

absl::StatusOr<std::unique_ptr<TextEngine>> create_text_engine(const EngineConfig& config,
                                                               EngineObserver* observer) {
  if (absl::Status status = check_settings(config); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Device>> device = Device::get(config.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelFolder> folder = ModelFolder::open(config.model.path);
  if (!folder.ok()) return folder.status();

  TextEngineParts parts;
  parts.config = config;
  parts.observer = observer;
  ServedModel& served = parts.model;
  served.config = folder->config();
  if (absl::Status status = load_served_model(config, served); !status.ok()) return status;
  if (absl::Status status = apply_attention_kind(config.attention, served.config); !status.ok()) {
    return status;
  }
  std::vector<int> layers_without;
  if (absl::Status status = check_techniques(served, layers_without); !status.ok()) return status;

  served.context_tokens = served.config.context_limit;
  if (config.model.context_tokens > 0) {
    served.context_tokens = std::min(served.context_tokens, config.model.context_tokens);
  }
  WorkerPlan plan;
  plan.config = served.config;
  plan.token_ids = std::min(served.config.vocab_size, served.tokenizer->vocab_size());
  plan.make_model = builtin().architectures.at(served.config.architecture);
  plan.dtype = config.model.dtype == "f32" ? DType::kF32 : DType::kBf16;
  plan.limits.rows_max = config.schedule.tokens_per_step > 0
                             ? static_cast<int>(config.schedule.tokens_per_step)
                             : kRowsMaxDefault;
  parts.device_slots = static_cast<int>(2 * config.schedule.seqs_max);
  plan.limits.sequences_max = parts.device_slots;
  plan.limits.sites_max = static_cast<int>(served.branch_model.sites.size());
  plan.limits.positions_max = static_cast<int>(served.context_tokens);
  plan.groups = attention_groups(served.config, layers_without, parts.group_of_layer);
  plan.limits.groups = static_cast<int>(plan.groups.size());
  plan.states = state_group(served.config);
  plan.limits.states = !plan.states.layers.empty();
  plan.steps_in_flight = config.schedule.steps_in_flight;
  if (plan.groups.size() > 64) {
    return absl::InvalidArgumentError("attention: more than 64 groups of layers");
  }
  const absl::StatusOr<MemoryPlan> memory =
      plan_memory(config.kv_cache, config.schedule.seqs_max, config.device.ranks, plan);
  if (!memory.ok()) return memory.status();
  if (observer != nullptr) {
    observer->on_memory({.weights = static_cast<int64_t>(memory->weights),
                         .kv = static_cast<int64_t>(memory->kv),
                         .states = static_cast<int64_t>(memory->states),
                         .scratch = static_cast<int64_t>(memory->scratch)});
  }
  absl::Status status = start_workers(*device, plan, *folder, config.device.ranks, parts);
  if (!status.ok()) return status;
  status = fit_cost_model(plan, parts);
  if (!status.ok()) return status;

  parts.ledger.cache = cache_shape(plan.groups);
  parts.ledger.state_slots = static_cast<int>(plan.states.slots);
  // Prefixes are found page by page; a state slot keeps the state of one position.
  parts.ledger.prefix_caching = config.kv_cache.prefix_caching && plan.states.layers.empty();
  served.prompt_tokens_max =
      longest_prompt(parts.ledger.cache, served.context_tokens, parts.limits.tokens_per_step);
  auto order = admission_orders().make(config.schedule.order, {});
  if (!order.ok()) return order.status();
  parts.order = *std::move(order);
  parts.info = model_info(served, plan.dtype);
  parts.description =
      (*device)->name() + "; " + memory->table() + "\ncost model: " + parts.cost->describe() +
      "\ntoken budget: " + std::to_string(parts.limits.tokens_per_step) + " rows per step";
  if (config.kv_cache.prefix_caching && !plan.states.layers.empty()) {
    parts.description += "\nprefix caching: off, recurrent layers keep no past states";
  }
  return std::make_unique<TextEngine>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::create(const EngineConfig& config,
                                                       EngineObserver* observer) {
  absl::StatusOr<std::unique_ptr<TextEngine>> engine = create_text_engine(config, observer);
  if (!engine.ok()) return engine.status();
  if (config.hand_off_prefill_threshold_tokens <= 0) return *std::move(engine);
  EngineConfig ahead = config;
  // A step in flight may hold rows of a sequence that is about to leave.
  ahead.schedule.steps_in_flight = 1;
  absl::StatusOr<std::unique_ptr<TextEngine>> prefill = create_text_engine(ahead, observer);
  if (!prefill.ok()) return prefill.status();
  return std::make_unique<EnginePair>(*std::move(prefill), *std::move(engine),
                                      config.hand_off_prefill_threshold_tokens);
}

}  // namespace tessera
