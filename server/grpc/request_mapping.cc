#include "server/grpc/request_mapping.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/grpc/wire_checks.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kJsonDepthMax = 64;

absl::StatusOr<Json> parse_json(const std::string& text, absl::string_view field) {
  bool too_deep = false;
  Json json = Json::parse(
      text,
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > kJsonDepthMax;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return invalid(field, absl::StrCat("is nested more than ", kJsonDepthMax, " deep"));
  if (json.is_discarded()) return invalid(field, "is not JSON");
  return json;
}

absl::StatusOr<Json> map_message(const v1::ChatMessage& wire, const std::string& field) {
  Json message = Json::object();
  if (wire.has_role()) message["role"] = wire.role();
  if (wire.has_content()) message["content"] = wire.content();
  if (!wire.has_fields_json()) return message;
  absl::StatusOr<Json> more = parse_json(wire.fields_json(), field + ".fields_json");
  if (!more.ok()) return more.status();
  if (!more->is_object()) return invalid(field + ".fields_json", "must be a JSON object");
  for (auto& [name, value] : more->items()) {
    if (message.contains(name))
      return invalid(field + ".fields_json",
                     absl::StrCat("has '", name, "', which is also a field"));
    message[name] = std::move(value);
  }
  return message;
}

absl::Status check_json(const std::string& text, const char* field, Json::value_t type) {
  absl::StatusOr<Json> json = parse_json(text, field);
  if (!json.ok()) return json.status();
  if (json->type() == type) return absl::OkStatus();
  return invalid(field,
                 type == Json::value_t::array ? "must be a JSON array" : "must be a JSON object");
}

absl::Status map_chat(const v1::Chat& wire, ChatInput& chat) {
  if (wire.messages().empty()) return invalid("chat.messages", "must have at least one message");
  Json messages = Json::array();
  for (int index = 0; index < wire.messages_size(); ++index) {
    absl::StatusOr<Json> message =
        map_message(wire.messages(index), absl::StrCat("chat.messages[", index, "]"));
    if (!message.ok()) return message.status();
    messages.push_back(*std::move(message));
  }
  chat.messages = messages.dump();
  if (wire.has_tools_json()) {
    absl::Status status = check_json(wire.tools_json(), "chat.tools_json", Json::value_t::array);
    if (!status.ok()) return status;
    chat.tools = wire.tools_json();
  }
  if (wire.has_template_arguments_json()) {
    absl::Status status = check_json(wire.template_arguments_json(), "chat.template_arguments_json",
                                     Json::value_t::object);
    if (!status.ok()) return status;
    chat.template_arguments = wire.template_arguments_json();
  }
  if (wire.has_add_generation_prompt()) chat.add_generation_prompt = wire.add_generation_prompt();
  return absl::OkStatus();
}

absl::Status map_input(const v1::GenerateTextRequest& wire, TextRequest& request) {
  switch (wire.input_case()) {
    case v1::GenerateTextRequest::kPrompt:
      request.input = wire.prompt();
      return absl::OkStatus();
    case v1::GenerateTextRequest::kTokenIds:
      request.input =
          std::vector<int32_t>(wire.token_ids().ids().begin(), wire.token_ids().ids().end());
      return absl::OkStatus();
    case v1::GenerateTextRequest::kChat:
      return map_chat(wire.chat(), request.input.emplace<ChatInput>());
    case v1::GenerateTextRequest::INPUT_NOT_SET:
      break;
  }
  return invalid("prompt", "is missing: set one of prompt, token_ids and chat");
}

absl::Status map_sampling(const v1::Sampling& wire, SamplingParams& sampling) {
  absl::Status status;
  const auto number = [&](bool has, double value, const char* name, std::optional<double>& out) {
    if (!has) return;
    if (!std::isfinite(value) && status.ok())
      status = invalid(absl::StrCat("sampling.", name), "must be a finite number");
    out = value;
  };
  number(wire.has_temperature(), wire.temperature(), "temperature", sampling.temperature);
  number(wire.has_top_p(), wire.top_p(), "top_p", sampling.top_p);
  number(wire.has_min_p(), wire.min_p(), "min_p", sampling.min_p);
  number(wire.has_repetition_penalty(), wire.repetition_penalty(), "repetition_penalty",
         sampling.repetition_penalty);
  number(wire.has_presence_penalty(), wire.presence_penalty(), "presence_penalty",
         sampling.presence_penalty);
  number(wire.has_frequency_penalty(), wire.frequency_penalty(), "frequency_penalty",
         sampling.frequency_penalty);
  if (wire.has_top_k()) sampling.top_k = wire.top_k();
  if (wire.has_seed()) sampling.seed = wire.seed();
  if (wire.has_n()) sampling.n = wire.n();
  for (const auto& [id, bias] : wire.logit_bias()) {
    if (!std::isfinite(bias) && status.ok())
      status = invalid(absl::StrCat("sampling.logit_bias[", id, "]"), "must be a finite number");
    sampling.logit_bias[id] = bias;
  }
  return status;
}

void map_stopping(const v1::Stopping& wire, StoppingParams& stopping) {
  if (wire.has_max_tokens()) stopping.max_tokens = wire.max_tokens();
  if (wire.has_min_tokens()) stopping.min_tokens = wire.min_tokens();
  stopping.stop.assign(wire.stop().begin(), wire.stop().end());
  stopping.stop_token_ids.assign(wire.stop_token_ids().begin(), wire.stop_token_ids().end());
  if (wire.has_ignore_eos()) stopping.ignore_eos = wire.ignore_eos();
  if (wire.has_include_stop_in_output())
    stopping.include_stop_in_output = wire.include_stop_in_output();
}

void map_response(const v1::Response& wire, ResponseParams& response) {
  if (wire.has_logprobs()) response.logprobs = wire.logprobs();
  if (wire.has_prompt_logprobs()) response.prompt_logprobs = wire.prompt_logprobs();
  if (wire.has_token_ids()) response.token_ids = wire.token_ids();
  if (wire.has_skip_special_tokens()) response.skip_special_tokens = wire.skip_special_tokens();
}

}  // namespace

absl::StatusOr<TextRequest> to_text_request(const v1::GenerateTextRequest& wire) {
  TextRequest request;
  absl::Status status = refuse_unknown_fields(wire, "");
  if (status.ok()) status = map_id(wire, request.id);
  if (status.ok()) status = map_input(wire, request);
  if (status.ok()) status = map_sampling(wire.sampling(), request.sampling);
  if (status.ok()) status = map_policies(wire.policies(), request.policies);
  if (!status.ok()) return status;
  map_stopping(wire.stopping(), request.stopping);
  map_response(wire.response(), request.response);
  if (wire.has_model()) request.model = wire.model();
  if (wire.has_priority()) request.priority = wire.priority();
  if (wire.has_best_effort()) request.best_effort = wire.best_effort();
  if (wire.caching().has_bypass_prefix_cache())
    request.bypass_prefix_cache = wire.caching().bypass_prefix_cache();
  if (wire.caching().has_cache_salt()) request.cache_salt = wire.caching().cache_salt();
  return request;
}

}  // namespace tessera
