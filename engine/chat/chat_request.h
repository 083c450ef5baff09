// From a request to the context of a template, as apply_chat_template prepares it. Pure functions.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/chat/chat_templates.h"

namespace tessera {

// The variables the template sees. Errors name the field of the request.
absl::StatusOr<nlohmann::ordered_json> template_context(
    const ChatRequest& request, const std::map<std::string, std::string>& special_tokens);

// Cuts a prompt rendered for continue_final_message off behind the final message's text. Fails when
// the template did not print that text.
absl::StatusOr<std::string> cut_at_final_message(const ChatRequest& request, std::string prompt);

}  // namespace tessera
