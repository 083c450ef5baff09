#include "engine/chat/chat_request.h"

#include <absl/strings/str_cat.h>

#include "engine/chat/unicode.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Put behind the final message before rendering; where it comes out is where the prompt ends.
constexpr std::string_view kFinalMark = "CONTINUE_FINAL_MESSAGE_TAG ";

// The names one model's reasoning goes by; templates read the first.
constexpr const char* kReasoning[] = {"reasoning_content", "thinking", "reasoning"};

absl::Status check_objects(const Json& list, const char* field) {
  if (!list.is_array()) return absl::InvalidArgumentError(absl::StrCat(field, " must be an array"));
  std::size_t index = 0;
  for (const Json& item : list) {
    if (!item.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(field, "[", index, "] must be an object"));
    }
    ++index;
  }
  return absl::OkStatus();
}

absl::Status check(const ChatRequest& request) {
  if (absl::Status status = check_objects(request.messages, "messages"); !status.ok())
    return status;
  if (request.messages.empty()) {
    return absl::InvalidArgumentError("messages is empty; at least one message is needed");
  }
  for (const auto& [list, field] :
       {std::pair(&request.tools, "tools"), std::pair(&request.documents, "documents")}) {
    if (list->is_null()) continue;
    if (absl::Status status = check_objects(*list, field); !status.ok()) return status;
  }
  if (!request.arguments.is_object()) {
    return absl::InvalidArgumentError("the template arguments must be an object");
  }
  for (const char* reserved : {"messages", "tools", "documents", "add_generation_prompt"}) {
    if (request.arguments.contains(reserved)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the template argument '", reserved, "' has a field of its own"));
    }
  }
  if (request.continue_final_message && request.add_generation_prompt) {
    return absl::InvalidArgumentError(
        "continue_final_message and add_generation_prompt exclude each other");
  }
  return absl::OkStatus();
}

// Without keys that are null, and with the reasoning under every name templates look for.
Json prepared(const Json& message) {
  Json kept = Json::object();
  for (const auto& [key, value] : message.items()) {
    if (!value.is_null()) kept[key] = value;
  }
  for (const char* name : kReasoning) {
    if (!kept.contains(name)) continue;
    const Json reasoning = kept[name];
    Json aliased = {{"thinking", reasoning}};
    for (const auto& [key, value] : kept.items()) aliased[key] = value;
    aliased["reasoning_content"] = reasoning;
    return aliased;
  }
  return kept;
}

// The string the final message ends with: its content, or its last text part. Null when there is
// none.
template <class Message>
auto final_text(Message& message) -> decltype(&message["content"]) {
  if (!message.contains("content")) return nullptr;
  auto& content = message["content"];
  if (content.is_string()) return &content;
  if (!content.is_array()) return nullptr;
  for (std::size_t index = content.size(); index-- > 0;) {
    auto& part = content[index];
    if (part.is_object() && part.contains("text") && part["text"].is_string()) return &part["text"];
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Json> template_context(const ChatRequest& request,
                                      const std::map<std::string, std::string>& special_tokens) {
  if (absl::Status status = check(request); !status.ok()) return status;
  Json messages = Json::array();
  for (const Json& message : request.messages) messages.push_back(prepared(message));
  if (request.continue_final_message) {
    Json* text = final_text(messages.back());
    if (text == nullptr) {
      return absl::InvalidArgumentError(
          "continue_final_message is set but the final message has no text to continue");
    }
    *text = text->get<std::string>() + std::string(kFinalMark);
  }
  Json context = Json::object();
  for (const auto& [name, token] : special_tokens) context[name] = token;
  for (const auto& [name, value] : request.arguments.items()) context[name] = value;
  context["messages"] = std::move(messages);
  context["tools"] = request.tools;
  context["documents"] = request.documents;
  context["add_generation_prompt"] = request.add_generation_prompt;
  return context;
}

absl::StatusOr<std::string> cut_at_final_message(const ChatRequest& request, std::string prompt) {
  const std::string text = final_text(request.messages.back())->get<std::string>();
  std::string_view trimmed = text;
  trimmed.remove_prefix(jinja::leading_space(trimmed));
  trimmed.remove_suffix(jinja::trailing_space(trimmed));
  const std::string_view bare_mark = kFinalMark.substr(0, kFinalMark.size() - 1);
  const std::size_t mark = prompt.rfind(bare_mark);
  if (mark == std::string::npos || jinja::find_first(prompt, trimmed) == std::string::npos) {
    return absl::InvalidArgumentError(
        "continue_final_message is set but the chat template does not print the final message");
  }
  // When the template trimmed the message, the text before the mark was an end and is trimmed too.
  const bool kept = prompt.compare(mark, kFinalMark.size(), kFinalMark) == 0;
  prompt.resize(mark);
  if (!kept) prompt.resize(prompt.size() - jinja::trailing_space(prompt));
  return prompt;
}

}  // namespace tessera
