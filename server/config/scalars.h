// Text to typed values, with units, and back; one strict reading for files and flags. Messages say
// what was expected; the caller adds where. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/api/request.h"

namespace tessera {

absl::StatusOr<bool> parse_flag(absl::string_view text);        // true | false
absl::StatusOr<int64_t> parse_integer(absl::string_view text);  // decimal, no leading zero
absl::StatusOr<double> parse_number(absl::string_view text);    // finite
absl::StatusOr<uint64_t> parse_bytes(absl::string_view text);   // 4096, 512MiB, 1.5GiB, 2GB
absl::StatusOr<double> parse_seconds(absl::string_view text);   // 30, 2.5, 250ms, 30s, 5min, 1h

// A value without a declared type: true and 5 and 0.5 are what they look like, the rest is text.
absl::StatusOr<PolicyValue> parse_untyped(absl::string_view text);

std::string bytes_text(uint64_t bytes);  // the largest binary unit that is exact
std::string number_text(double value);   // the shortest text that reads back equal
// As a YAML scalar that reads back as this text, quoted if need be.
std::string yaml_text(absl::string_view text);
std::string yaml_value(const PolicyValue& value);

}  // namespace tessera
