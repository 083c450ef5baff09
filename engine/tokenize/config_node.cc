#include "engine/tokenize/config_node.h"

#include <nlohmann/json.hpp>

#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {

std::string shown(std::string_view text) {
  constexpr size_t kShownBytes = 80;
  if (text.size() <= kShownBytes) return concat("\"", text, "\"");
  return concat("\"", text.substr(0, previous_boundary(text, kShownBytes)), "...\"");
}

void ConfigErrors::add(std::string_view path, std::string_view message) {
  if (!status_.ok()) return;
  const std::string place = path.empty() ? "" : concat(path, ": ");
  status_ = absl::InvalidArgumentError(concat(file_, ": ", place, message));
}

void ConfigNode::refuse_value(std::string_view message) const {
  if (is_absent()) return refuse(concat("null ", message));
  if (is_text()) return refuse(concat(shown(text()), " ", message));
  if (is_object()) return refuse(concat("an object ", message));
  if (is_array()) return refuse(concat("an array ", message));
  refuse(concat(value_->dump(), " ", message));
}

bool ConfigNode::is_absent() const { return value_ == nullptr || value_->is_null(); }
bool ConfigNode::is_object() const { return value_ != nullptr && value_->is_object(); }
bool ConfigNode::is_array() const { return value_ != nullptr && value_->is_array(); }
bool ConfigNode::is_text() const { return value_ != nullptr && value_->is_string(); }

ConfigNode ConfigNode::operator[](std::string_view key) const {
  const nlohmann::json* found = nullptr;
  if (is_object()) {
    const auto it = value_->find(std::string(key));
    if (it != value_->end()) found = &*it;
  }
  return {found, path_.empty() ? std::string(key) : concat(path_, ".", key), errors_};
}

ConfigNode ConfigNode::at(size_t index) const {
  return {&(*value_)[index], concat(path_, "[", index, "]"), errors_};
}

size_t ConfigNode::size() const {
  if (is_array()) return value_->size();
  refuse_value("must be an array");
  return 0;
}

std::vector<std::string> ConfigNode::keys() const {
  std::vector<std::string> keys;
  if (!is_object()) {
    refuse_value("must be an object");
    return keys;
  }
  for (const auto& [key, value] : value_->items()) keys.push_back(key);
  return keys;
}

std::string ConfigNode::text() const {
  if (is_text()) return value_->get<std::string>();
  refuse_value("must be a string");
  return "";
}

std::string ConfigNode::text_or(std::string_view fallback) const {
  return is_absent() ? std::string(fallback) : text();
}

bool ConfigNode::flag() const {
  if (value_ != nullptr && value_->is_boolean()) return value_->get<bool>();
  refuse_value("must be true or false");
  return false;
}

bool ConfigNode::flag_or(bool fallback) const { return is_absent() ? fallback : flag(); }

int64_t ConfigNode::integer(int64_t lowest, int64_t highest) const {
  const bool is_integer = value_ != nullptr && value_->is_number_integer();
  // An unsigned number beyond int64 would wrap; no bound here reaches it.
  const bool fits = is_integer && !(value_->is_number_unsigned() &&
                                    value_->get<uint64_t>() > static_cast<uint64_t>(highest));
  const int64_t number = fits ? value_->get<int64_t>() : lowest - 1;
  if (number >= lowest && number <= highest) return number;
  refuse_value(concat("must be an integer from ", lowest, " to ", highest));
  return lowest;
}

}  // namespace tessera
