#include "engine/weights/json_text.h"

#include <algorithm>

#include "engine/weights/message.h"

namespace tessera {
namespace {

constexpr size_t kShownBytes = 100;

// Depth of nesting, counted before the parser builds anything.
int nesting_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<nlohmann::json> parse_json_object(std::string_view file, std::string_view text) {
  if (nesting_depth(text) > kMaxJsonDepth) {
    return absl::InvalidArgumentError(
        concat(file, ": nested deeper than ", kMaxJsonDepth, " levels"));
  }
  nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError(concat(file, ": not valid JSON"));
  }
  if (!value.is_object()) {
    return absl::InvalidArgumentError(concat(file, ": not a JSON object"));
  }
  return value;
}

std::string quote_for_message(std::string_view text) {
  return show_for_message(nlohmann::json(std::string(text.substr(0, kShownBytes))));
}

std::string show_for_message(const nlohmann::json& value) {
  std::string shown =
      value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (shown.size() > kShownBytes) shown = concat(shown.substr(0, kShownBytes), "...");
  return shown;
}

}  // namespace tessera
