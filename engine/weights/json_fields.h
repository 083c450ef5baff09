// Typed, bounded reading of one JSON object's fields. The first mistake is kept and every later
// read returns its fallback, so a parser reads straight down and asks for the error once. Made on
// the stack by a parser; one thread. A null value counts as absent, as in the Python classes whose
// files these are.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace tessera {

class JsonFields {
 public:
  // `place` begins every message, for example "config.json". The object must outlive the reader;
  // the first mistake goes to `error`, which readers of nested objects share.
  JsonFields(std::string place, const nlohmann::json& object, absl::Status& error)
      : place_(std::move(place)), object_(object), error_(error) {}

  bool has(const char* key) const { return find(key) != nullptr; }
  const nlohmann::json* find(const char* key) const;  // nullptr when absent or null
  // Present, even as null.
  bool names(const char* key) const { return object_.contains(key); }

  int integer(const char* key, int fallback, int min, int max);
  // As integer(), for a key without a default: its absence is a mistake.
  int required_integer(const char* key, int min, int max);
  double number(const char* key, double fallback, double min, double max);
  bool flag(const char* key, bool fallback);
  std::string text(const char* key, std::string_view fallback);
  std::optional<int> optional_integer(const char* key, int min, int max);
  std::optional<float> optional_number(const char* key, double min, double max);
  std::optional<bool> optional_flag(const char* key);
  // The object under `key`; an empty one when absent.
  const nlohmann::json& object(const char* key);

  // Records "place: key is <value>, <why>" unless a mistake is known already.
  void refuse(const char* key, std::string_view why, bool unsupported = true);
  // As refuse, with the value shown as `shown`.
  void refuse_as(const char* key, std::string_view shown, std::string_view why,
                 bool unsupported = true);
  const std::string& place() const { return place_; }

  // These keys are known to say nothing that matters here.
  void ignore(std::initializer_list<const char*> keys) { known_.insert(keys.begin(), keys.end()); }
  // Keys of the object that were neither asked for nor ignored, without those that begin with '_'.
  std::vector<std::string> unknown_keys() const;
  bool ok() const { return error_.ok(); }
  absl::Status& error() const { return error_; }

 private:
  std::string place_;
  const nlohmann::json& object_;
  absl::Status& error_;
  mutable std::set<std::string, std::less<>> known_;
};

}  // namespace tessera
