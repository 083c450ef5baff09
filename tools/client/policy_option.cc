#include "tools/client/policy_option.h"

#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tessera {
namespace {

absl::Status wrong(absl::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

}  // namespace

absl::Status add_policy(const std::string& text,
                        google::protobuf::Map<std::string, v1::PolicyParams>& policies) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (name.empty()) return wrong("expected NAME or NAME:key=value,...");
  v1::PolicyParams& params = policies[name];
  if (colon == std::string::npos) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(text.substr(colon + 1), ',');
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0)
      return wrong(absl::StrCat("expected key=value, found '", part, "'"));
    const std::string value = part.substr(equals + 1);
    v1::PolicyValue& out = (*params.mutable_values())[part.substr(0, equals)];
    int64_t integer = 0;
    double number = 0;
    if (value == "true" || value == "false") {
      out.set_flag(value == "true");
    } else if (absl::SimpleAtoi(value, &integer)) {
      out.set_integer(integer);
    } else if (absl::SimpleAtod(value, &number)) {
      out.set_number(number);
    } else {
      out.set_text(value);
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
