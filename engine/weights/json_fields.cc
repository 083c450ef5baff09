#include "engine/weights/json_fields.h"

#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {

const nlohmann::json* JsonFields::find(const char* key) const {
  known_.emplace(key);
  const auto field = object_.find(key);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

int JsonFields::integer(const char* key, int fallback, int min, int max) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  const std::string range = concat("must be an integer from ", min, " to ", max);
  // Unsigned first: get<int64_t> of a value above 2^63 would wrap.
  const bool fits = value->is_number_unsigned()
                        ? value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                        : value->is_number_integer();
  if (!fits || value->get<int64_t>() < min || value->get<int64_t>() > max) {
    refuse(key, range, /*unsupported=*/false);
    return fallback;
  }
  return value->get<int>();
}

int JsonFields::required_integer(const char* key, int min, int max) {
  if (has(key)) return integer(key, min, min, max);
  refuse(key, concat("must be an integer from ", min, " to ", max), /*unsupported=*/false);
  return min;
}

double JsonFields::number(const char* key, double fallback, double min, double max) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !(value->get<double>() >= min && value->get<double>() <= max)) {
    refuse(key, concat("must be a number from ", min, " to ", max), /*unsupported=*/false);
    return fallback;
  }
  return value->get<double>();
}

bool JsonFields::flag(const char* key, bool fallback) {
  return optional_flag(key).value_or(fallback);
}

std::optional<bool> JsonFields::optional_flag(const char* key) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    refuse(key, "must be true or false", /*unsupported=*/false);
    return std::nullopt;
  }
  return value->get<bool>();
}

std::string JsonFields::text(const char* key, std::string_view fallback) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) {
    refuse(key, "must be a string", /*unsupported=*/false);
    return std::string(fallback);
  }
  return value->get<std::string>();
}

std::optional<int> JsonFields::optional_integer(const char* key, int min, int max) {
  if (!has(key)) return std::nullopt;
  return integer(key, min, min, max);
}

std::optional<float> JsonFields::optional_number(const char* key, double min, double max) {
  if (!has(key)) return std::nullopt;
  return static_cast<float>(number(key, min, min, max));
}

const nlohmann::json& JsonFields::object(const char* key) {
  static const nlohmann::json& empty = *new nlohmann::json(nlohmann::json::object());
  const nlohmann::json* value = find(key);
  if (value == nullptr) return empty;
  if (!value->is_object()) {
    refuse(key, "must be an object", /*unsupported=*/false);
    return empty;
  }
  return *value;
}

std::vector<std::string> JsonFields::unknown_keys() const {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_.items()) {
    if (!key.starts_with('_') && known_.count(key) == 0) unknown.push_back(key);
  }
  return unknown;
}

void JsonFields::refuse(const char* key, std::string_view why, bool unsupported) {
  if (!error_.ok()) return;
  const auto field = object_.find(key);
  if (field != object_.end()) return refuse_as(key, show_for_message(*field), why, unsupported);
  error_ = absl::InvalidArgumentError(concat(place_, ": ", key, " is missing, ", why));
}

void JsonFields::refuse_as(const char* key, std::string_view shown, std::string_view why,
                           bool unsupported) {
  if (!error_.ok()) return;
  const std::string message = concat(place_, ": ", key, " is ", shown, ", ", why);
  error_ = unsupported ? absl::UnimplementedError(message) : absl::InvalidArgumentError(message);
}

}  // namespace tessera
