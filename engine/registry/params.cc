#include "engine/registry/params.h"

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"

namespace tessera {
namespace {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t column = 0; column <= b.size(); ++column) row[column] = static_cast<int>(column);
  for (size_t line = 1; line <= a.size(); ++line) {
    int diagonal = row[0];
    row[0] = static_cast<int>(line);
    for (size_t column = 1; column <= b.size(); ++column) {
      const int above = row[column];
      row[column] = std::min(
          {above + 1, row[column - 1] + 1, diagonal + (a[line - 1] == b[column - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  int best_distance = std::max<int>(2, static_cast<int>(name.size()) / 3) + 1;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(name.substr(0, 64), candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

namespace internal {

std::string names_text(const OneOf& choices, const char* separator) {
  return absl::StrJoin(choices.names, separator);
}

std::string number_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%g", value);
  return buffer;
}

absl::Status bad_type(std::string_view technique, std::string_view field, std::string_view wanted) {
  return absl::InvalidArgumentError(std::string(technique) + "." + std::string(field) +
                                    " must be " + std::string(wanted));
}

absl::Status out_of_bounds(std::string_view technique, std::string_view field, double value,
                           Bounds bounds) {
  return absl::InvalidArgumentError(
      std::string(technique) + "." + std::string(field) + " is " + number_text(value) +
      ", must be in [" + number_text(bounds.low) + ", " + number_text(bounds.high) + "]");
}

absl::Status unknown_field(std::string_view technique, std::string_view field,
                           const std::vector<std::string>& known) {
  std::string message = std::string(technique) + "." + std::string(field) +
                        " is not a parameter of " + std::string(technique);
  if (const std::string near = nearest_name(field, known); !near.empty()) {
    message += "; did you mean " + near + "?";
  } else {
    message += "; it takes";
    for (const std::string& name : known) message += (name == known[0] ? " " : ", ") + name;
  }
  return absl::InvalidArgumentError(message);
}

absl::Status ParamReader::assign(const char* name, const PolicyValue& value, Bounds bounds,
                                 int64_t& field) {
  int64_t integer = 0;
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    integer = *whole;
  } else if (const auto* number = std::get_if<double>(&value);
             number != nullptr && std::floor(*number) == *number && std::abs(*number) < 1e15) {
    integer = static_cast<int64_t>(*number);
  } else {
    return bad_type(technique_, name, "an integer");
  }
  const double as_number = static_cast<double>(integer);
  if (as_number < bounds.low || as_number > bounds.high) {
    return out_of_bounds(technique_, name, as_number, bounds);
  }
  field = integer;
  return absl::OkStatus();
}

absl::Status ParamReader::assign(const char* name, const PolicyValue& value, Bounds bounds,
                                 double& field) {
  double number = 0;
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    number = static_cast<double>(*whole);
  } else if (const auto* real = std::get_if<double>(&value)) {
    number = *real;
  } else {
    return bad_type(technique_, name, "a number");
  }
  if (!(number >= bounds.low && number <= bounds.high)) {
    return out_of_bounds(technique_, name, number, bounds);
  }
  field = number;
  return absl::OkStatus();
}

absl::Status ParamReader::assign(const char* name, const PolicyValue& value, Bounds, bool& field) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) return bad_type(technique_, name, "true or false");
  field = *flag;
  return absl::OkStatus();
}

absl::Status ParamReader::assign(const char* name, const PolicyValue& value, Bounds,
                                 std::string& field) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return bad_type(technique_, name, "text");
  field = *text;
  return absl::OkStatus();
}

absl::Status ParamReader::choose(const char* name, const PolicyValue& value, const OneOf& choices,
                                 int& choice) {
  const auto* text = std::get_if<std::string>(&value);
  const std::string wanted = "one of " + names_text(choices, ", ");
  if (text == nullptr) return bad_type(technique_, name, wanted);
  const auto found = std::find(choices.names.begin(), choices.names.end(), *text);
  if (found == choices.names.end()) {
    return absl::InvalidArgumentError(std::string(technique_) + "." + name + " is \"" +
                                      absl::CHexEscape(text->substr(0, 64)) + "\", must be " +
                                      wanted);
  }
  choice = static_cast<int>(found - choices.names.begin());
  return absl::OkStatus();
}

absl::Status ParamReader::finish() const {
  if (!status_.ok()) return status_;
  for (const auto& [name, value] : given_) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      return unknown_field(technique_, name, known_);
    }
  }
  return absl::OkStatus();
}

}  // namespace internal
}  // namespace tessera
