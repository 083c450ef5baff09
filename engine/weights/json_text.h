// Bounded JSON parsing of untrusted files, and quoting of their content for messages. Stateless;
// any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tessera {

// Nesting of the files a model folder holds stays below 10; the bound keeps recursive consumers of
// the document safe.
inline constexpr int kMaxJsonDepth = 64;

// Parses `text`, which must be one JSON object nested at most kMaxJsonDepth deep. `file` is for the
// message. The caller bounds the size of `text`. A key given twice keeps its last value, as Python.
absl::StatusOr<nlohmann::json> parse_json_object(std::string_view file, std::string_view text);

// The string in quotes with control characters escaped, cut to about 100 bytes.
std::string quote_for_message(std::string_view text);
// The value as JSON, cut to about 100 bytes.
std::string show_for_message(const nlohmann::json& value);

}  // namespace tessera
