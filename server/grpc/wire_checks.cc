#include "server/grpc/wire_checks.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/grpc/field_error.h"

namespace tessera {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

constexpr size_t kIdBytesMax = 128;

absl::StatusOr<PolicyValue> map_policy_value(const v1::PolicyValue& wire,
                                             const std::string& field) {
  switch (wire.value_case()) {
    case v1::PolicyValue::kFlag:
      return PolicyValue(wire.flag());
    case v1::PolicyValue::kInteger:
      return PolicyValue(int64_t{wire.integer()});
    case v1::PolicyValue::kNumber:
      if (!std::isfinite(wire.number())) return invalid(field, "must be a finite number");
      return PolicyValue(wire.number());
    case v1::PolicyValue::kText:
      return PolicyValue(wire.text());
    case v1::PolicyValue::VALUE_NOT_SET:
      break;
  }
  return invalid(field, "has no value");
}

}  // namespace

absl::Status invalid(absl::string_view field, absl::string_view what) {
  return field_error(absl::StatusCode::kInvalidArgument, field, what);
}

absl::Status refuse_unknown_fields(const Message& message, const std::string& path) {
  const auto& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  if (unknown.field_count() > 0)
    return field_error(
        absl::StatusCode::kUnimplemented, path.empty() ? message.GetDescriptor()->name() : path,
        absl::StrCat("has field number ", unknown.field(0).number(), ", unknown to this server"));
  std::vector<const FieldDescriptor*> set;
  reflection.ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string inner = path.empty() ? field->name() : path + "." + field->name();
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int index = 0; index < count; ++index) {
      const Message& child = field->is_repeated()
                                 ? reflection.GetRepeatedMessage(message, field, index)
                                 : reflection.GetMessage(message, field);
      if (absl::Status status = refuse_unknown_fields(child, inner); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status check_id(const std::string& id) {
  if (id.empty() || id.size() > kIdBytesMax)
    return invalid("request_id", absl::StrCat("must have 1 to ", kIdBytesMax, " characters"));
  for (const char c : id) {
    if (c <= ' ' || c > '~') return invalid("request_id", "must be printable ASCII without spaces");
  }
  return absl::OkStatus();
}

absl::Status map_policies(const google::protobuf::Map<std::string, v1::PolicyParams>& wire,
                          std::map<std::string, PolicyParams>& policies) {
  for (const auto& [technique, params] : wire) {
    PolicyParams& out = policies[technique];
    for (const auto& [name, value] : params.values()) {
      absl::StatusOr<PolicyValue> mapped = map_policy_value(
          value, absl::StrCat("policies[", technique.substr(0, 64), "].", name.substr(0, 64)));
      if (!mapped.ok()) return mapped.status();
      out[name] = *std::move(mapped);
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
