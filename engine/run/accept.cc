#include "engine/run/accept.h"

#include <algorithm>
#include <random>

#include "engine/builtin/builtin.h"

namespace tessera {
namespace {

// JSON that came as text in `field`; `otherwise` when it is empty.
absl::StatusOr<nlohmann::ordered_json> parse_json(const std::string& field, const std::string& text,
                                                  nlohmann::ordered_json otherwise) {
  if (text.empty()) return otherwise;
  nlohmann::ordered_json parsed = nlohmann::ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError(field + " is not valid JSON");
  return parsed;
}

absl::StatusOr<std::vector<int32_t>> tokenize_chat(const ServedModel& model,
                                                   const ChatInput& chat) {
  if (const absl::Status ready = model.chat->ready(); !ready.ok()) {
    return absl::UnimplementedError("chat: " + std::string(ready.message()) +
                                    "; send a prompt or token_ids instead");
  }
  const auto array = nlohmann::ordered_json::array();
  auto messages = parse_json("chat.messages", chat.messages, array);
  if (!messages.ok()) return messages.status();
  auto tools = parse_json("chat.tools", chat.tools, nullptr);
  if (!tools.ok()) return tools.status();
  auto arguments = parse_json("chat.template_arguments", chat.template_arguments,
                              nlohmann::ordered_json::object());
  if (!arguments.ok()) return arguments.status();
  ChatRequest request;
  request.messages = *std::move(messages);
  request.tools = *std::move(tools);
  request.arguments = *std::move(arguments);
  request.add_generation_prompt = chat.add_generation_prompt;
  const absl::StatusOr<std::string> text = model.chat->render(request);
  if (!text.ok()) return text.status();
  // The template writes the special tokens itself, the first one included.
  return model.tokenizer->encode(*text, {.add_special_tokens = false, .parse_special = true});
}

absl::StatusOr<std::vector<int32_t>> prompt_of(const ServedModel& model,
                                               const TextRequest& request) {
  if (const auto* chat = std::get_if<ChatInput>(&request.input)) return tokenize_chat(model, *chat);
  if (const auto* text = std::get_if<std::string>(&request.input)) {
    return model.tokenizer->encode(*text, {.add_special_tokens = true, .parse_special = true});
  }
  const auto& ids = std::get<std::vector<int32_t>>(request.input);
  for (size_t at = 0; at < ids.size(); ++at) {
    if (ids[at] < 0 || ids[at] >= model.config.vocab_size) {
      return absl::InvalidArgumentError("token_ids[" + std::to_string(at) + "] is " +
                                        std::to_string(ids[at]) + ", must be in [0, " +
                                        std::to_string(model.config.vocab_size - 1) + "]");
    }
  }
  return ids;
}

absl::Status check_length(const ServedModel& model, LiveRequest& live) {
  const int64_t length = static_cast<int64_t>(live.prompt.size());
  if (length == 0) return absl::InvalidArgumentError("prompt is empty: at least one token");
  if (length >= model.context_tokens) {
    return absl::InvalidArgumentError(
        "prompt has " + std::to_string(length) + " tokens, the context holds " +
        std::to_string(model.context_tokens) + " with at least one for the output");
  }
  if (length + 1 > model.prompt_tokens_max) {
    return absl::InvalidArgumentError("prompt has " + std::to_string(length) +
                                      " tokens, the KV cache holds " +
                                      std::to_string(model.prompt_tokens_max));
  }
  const int64_t room = model.context_tokens - length;
  live.max_tokens = std::min(live.request.stopping.max_tokens.value_or(room), room);
  live.min_tokens = std::min(live.request.stopping.min_tokens.value_or(0), live.max_tokens);
  return absl::OkStatus();
}

// The deployment's technique, or what the request asks for under that name.
absl::Status choose_techniques(const ServedModel& model, LiveRequest& live) {
  TechniqueSettings proposer = model.proposer, policy = model.branch_policy;
  for (const auto& [name, params] : live.request.policies) {
    if (builtin().proposers.contains(name)) {
      proposer = {name, params};
    } else if (builtin().branch_policies.contains(name)) {
      policy = {name, params};
    } else if (name == "plain") {
      proposer.kind = "none";
    } else {
      return absl::UnimplementedError("policies: no technique is called \"" + name + "\"");
    }
  }
  if (policy.kind != "none") {
    auto made = builtin().branch_policies.make(policy.kind, policy.params, model.branch_model);
    if (!made.ok()) return made.status();
    live.policy = *std::move(made);
  }
  if (proposer.kind == "none") return absl::OkStatus();
  for (const std::unique_ptr<Output>& output : live.outputs) {
    auto made = builtin().proposers.make(proposer.kind, proposer.params);
    if (!made.ok()) return made.status();
    output->proposer = *std::move(made);
  }
  return absl::OkStatus();
}

uint64_t drawn_seed() {
  static thread_local std::mt19937_64 source{std::random_device{}()};
  return source();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LiveRequest>> accept_request(const ServedModel& model,
                                                            TextRequest request) {
  if (!request.model.empty() && request.model != model.name) {
    return absl::NotFoundError("model \"" + request.model + "\" is not served here; \"" +
                               model.name + "\" is");
  }
  auto live = std::make_unique<LiveRequest>();
  live->submitted = Clock::now();
  if (request.deadline.has_value() && *request.deadline <= live->submitted) {
    return absl::DeadlineExceededError("the deadline passed before the request was accepted");
  }
  live->request = std::move(request);
  const TextRequest& asked = live->request;
  absl::StatusOr<Sampling> sampling =
      resolve_sampling(asked.sampling, asked.response, model.config.generation,
                       model.neutral_sampling, model.config.vocab_size, drawn_seed());
  if (!sampling.ok()) return sampling.status();
  live->sampling = *std::move(sampling);
  absl::Status status = validate_stopping(asked.stopping, model.config.vocab_size);
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<int32_t>> prompt = prompt_of(model, asked);
  if (!prompt.ok()) return prompt.status();
  live->prompt = *std::move(prompt);
  status = check_length(model, *live);
  if (!status.ok()) return status;
  if (!asked.stopping.ignore_eos) live->end_ids = model.end_ids;
  live->ban_ids = model.end_ids;
  live->ban_ids.insert(live->ban_ids.end(), asked.stopping.stop_token_ids.begin(),
                       asked.stopping.stop_token_ids.end());
  absl::StatusOr<StopStrings> stops = StopStrings::build(asked.stopping.stop);
  if (!stops.ok()) return stops.status();
  live->stop_strings = *std::move(stops);
  for (int index = 0; index < live->sampling.outputs; ++index) {
    auto output = std::make_unique<Output>(
        Output{.request = live.get(),
               .sequence = kNoSequence,
               .index = index,
               .emitted = 0,
               .finished = std::nullopt,
               .text = IncrementalText(*model.tokenizer, asked.response.skip_special_tokens),
               .stops = StopWatch(live->stop_strings, asked.stopping.include_stop_in_output),
               .proposer = nullptr,
               .draft = {}});
    live->outputs.push_back(std::move(output));
  }
  status = choose_techniques(model, *live);
  if (!status.ok()) return status;
  live->usage.prompt_tokens = static_cast<int64_t>(live->prompt.size());
  return live;
}

}  // namespace tessera
