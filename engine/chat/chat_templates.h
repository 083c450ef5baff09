// The chat templates of a model folder and the special tokens they print. Made once at load and
// immutable; any thread may render. Nothing is guessed: a folder without a template, or with one
// outside the supported subset, loads, and chat requests are then refused in words.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/chat/chat_template.h"

namespace tessera {

// What a client asks to have rendered.
struct ChatRequest {
  nlohmann::ordered_json messages;             // array of objects, at least one
  nlohmann::ordered_json tools = nullptr;      // array of JSON schemas, or null
  nlohmann::ordered_json documents = nullptr;  // array of objects, or null
  // Extra variables for the template, for example {"enable_thinking": false}.
  nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
  bool add_generation_prompt = true;
  // Ends the prompt inside the last message, for the model to go on with it.
  bool continue_final_message = false;
  std::string
      template_name;  // empty: "tool_use" when tools are given and there is one, else default
};

class ChatTemplates {
 public:
  // Looks, as transformers does, for chat_template.jinja and additional_chat_templates/*.jinja,
  // then "chat_template" in tokenizer_config.json (a string or a list of {name, template}), then
  // chat_template.json; special tokens come from tokenizer_config.json and special_tokens_map.json.
  // Errors: INVALID_ARGUMENT naming file and field for files that are not what they should be.
  static absl::StatusOr<ChatTemplates> load(const std::filesystem::path& folder);

  // The prompt text, special tokens included: it must be tokenized without adding any. Errors:
  // INVALID_ARGUMENT for a bad request or a message the template refuses; UNIMPLEMENTED when the
  // template is outside the subset; FAILED_PRECONDITION when there is none or it is broken.
  absl::StatusOr<std::string> render(const ChatRequest& request,
                                     const RenderLimits& limits = {}) const;

  // OK, or why chat requests without a template name will be refused. For the log at load.
  absl::Status ready() const;

  // bos_token, eos_token and so on, as far as the folder names them.
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }

 private:
  void add(const std::string& name, const std::string& source, const std::string& origin);
  absl::Status add_files(const std::filesystem::path& folder);
  absl::Status add_config(const nlohmann::ordered_json& config, const std::string& file);
  absl::StatusOr<const ChatTemplate*> choose(const ChatRequest& request) const;

  // Whether each template parsed decides whether it can be used, not whether the folder loads.
  std::map<std::string, absl::StatusOr<ChatTemplate>> templates_;
  std::map<std::string, std::string> special_tokens_;
};

}  // namespace tessera
