// Parameters of a technique: a struct names each of its fields once, in `visit`, and gets parsing,
// validation, printing and documentation from it:
//
//   struct LookupParams {
//     int64_t width = 5;
//     template <class V> void visit(V& v) { v("max_n", max_n, between(1, 16), "longest suffix
//     matched"); }
//   };
//   absl::StatusOr<LookupParams> p = parse_params<LookupParams>("lookup", given);
//
// Pure; any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/api/request.h"

namespace tessera {

// Inclusive numeric bounds of a field.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};
constexpr Bounds between(double low, double high) { return {low, high}; }
constexpr Bounds at_least(double low) { return {low, std::numeric_limits<double>::infinity()}; }

// The names of an enumeration's values, in its order: the bound of an enumeration's field.
struct OneOf {
  std::vector<const char*> names;
};

// One documented field, as `describe_params` lists it.
struct ParamDoc {
  std::string name, type, default_value, bounds, meaning;
};

// The candidate closest to `name` by edit distance, or empty when none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

namespace internal {

std::string number_text(double value);
absl::Status bad_type(std::string_view technique, std::string_view field, std::string_view wanted);
absl::Status out_of_bounds(std::string_view technique, std::string_view field, double value,
                           Bounds bounds);
absl::Status unknown_field(std::string_view technique, std::string_view field,
                           const std::vector<std::string>& known);
std::string names_text(const OneOf& choices, const char* separator);

class ParamReader {
 public:
  ParamReader(std::string_view technique, const PolicyParams& given)
      : technique_(technique), given_(given) {}

  template <class T>
  void operator()(const char* name, T& field, Bounds bounds, const char* /*meaning*/) {
    known_.push_back(name);
    const auto found = given_.find(name);
    if (found == given_.end() || !status_.ok()) return;
    status_ = assign(name, found->second, bounds, field);
  }
  template <class Enumeration>
  void operator()(const char* name, Enumeration& field, const OneOf& choices,
                  const char* /*meaning*/) {
    known_.push_back(name);
    const auto found = given_.find(name);
    if (found == given_.end() || !status_.ok()) return;
    int choice = 0;
    status_ = choose(name, found->second, choices, choice);
    if (status_.ok()) field = static_cast<Enumeration>(choice);
  }
  void operator()(const char* name, std::string& field, const char* meaning) {
    (*this)(name, field, Bounds{}, meaning);
  }
  void operator()(const char* name, bool& field, const char* meaning) {
    (*this)(name, field, Bounds{}, meaning);
  }
  absl::Status finish() const;

 private:
  absl::Status assign(const char* name, const PolicyValue& value, Bounds bounds, int64_t& field);
  absl::Status assign(const char* name, const PolicyValue& value, Bounds bounds, double& field);
  absl::Status assign(const char* name, const PolicyValue& value, Bounds bounds, bool& field);
  absl::Status assign(const char* name, const PolicyValue& value, Bounds bounds,
                      std::string& field);
  absl::Status choose(const char* name, const PolicyValue& value, const OneOf& choices,
                      int& choice);

  std::string_view technique_;
  const PolicyParams& given_;
  std::vector<std::string> known_;
  absl::Status status_;
};

class ParamLister {
 public:
  template <class T>
  void operator()(const char* name, T& field, Bounds bounds, const char* meaning) {
    docs.push_back({name, type_name(field), text(field),
                    std::isfinite(bounds.low) || std::isfinite(bounds.high)
                        ? number_text(bounds.low) + " .. " + number_text(bounds.high)
                        : "",
                    meaning});
  }
  template <class Enumeration>
  void operator()(const char* name, Enumeration& field, const OneOf& choices, const char* meaning) {
    docs.push_back({name, "text", choices.names[static_cast<size_t>(field)],
                    names_text(choices, " | "), meaning});
  }
  template <class T>
  void operator()(const char* name, T& field, const char* meaning) {
    (*this)(name, field, Bounds{}, meaning);
  }
  std::vector<ParamDoc> docs;

 private:
  static const char* type_name(int64_t) { return "integer"; }
  static const char* type_name(double) { return "number"; }
  static const char* type_name(bool) { return "boolean"; }
  static const char* type_name(const std::string&) { return "text"; }
  static std::string text(int64_t value) { return std::to_string(value); }
  static std::string text(double value) { return number_text(value); }
  static std::string text(bool value) { return value ? "true" : "false"; }
  static std::string text(const std::string& value) { return value; }
};

}  // namespace internal

// INVALID_ARGUMENT names the technique, the field, and its bound, type or nearest known name.
template <class Params>
absl::StatusOr<Params> parse_params(std::string_view technique, const PolicyParams& given) {
  Params params;
  internal::ParamReader reader(technique, given);
  params.visit(reader);
  if (absl::Status status = reader.finish(); !status.ok()) return status;
  return params;
}

template <class Params>
std::vector<ParamDoc> describe_params() {
  Params params;
  internal::ParamLister lister;
  params.visit(lister);
  return lister.docs;
}

}  // namespace tessera
