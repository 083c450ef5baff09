// A place in a parsed JSON file, with its path, for readers of untrusted files: a value of the
// wrong type or out of bounds records one error that names file, key and value, and yields a
// harmless default, so a reader is written straight down and asks `errors` once at its end. Made
// and used by one loading thread; nodes borrow the document and the error record.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace tessera {

// The first mistake found in one file.
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}

  // "<file>: <path>: <message>"; later calls are ignored.
  void add(std::string_view path, std::string_view message);
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }  // INVALID_ARGUMENT once added
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  absl::Status status_;
};

class ConfigNode {
 public:
  // `value` may be null: an absent key.
  ConfigNode(const nlohmann::json* value, std::string path, ConfigErrors* errors)
      : value_(value), path_(std::move(path)), errors_(errors) {}

  const std::string& path() const { return path_; }
  ConfigErrors& errors() const { return *errors_; }
  void refuse(std::string_view message) const { errors_->add(path_, message); }
  // Refuses with the value shown: "<value> <message>".
  void refuse_value(std::string_view message) const;

  bool is_absent() const;  // no such key, or null
  bool is_object() const;
  bool is_array() const;
  bool is_text() const;

  ConfigNode operator[](
      std::string_view key) const;        // absent if this is no object or lacks the key
  ConfigNode at(size_t index) const;      // REQUIRES: index < size()
  size_t size() const;                    // of an array; 0 and an error otherwise
  std::vector<std::string> keys() const;  // of an object; none and an error otherwise

  std::string text() const;  // errors if absent or no string
  std::string text_or(std::string_view fallback) const;
  bool flag() const;  // errors if absent or no boolean
  bool flag_or(bool fallback) const;
  int64_t integer(int64_t lowest, int64_t highest) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
  ConfigErrors* errors_;
};

// A value as it is quoted in errors: JSON, cut to 80 bytes.
std::string shown(std::string_view text);

}  // namespace tessera
