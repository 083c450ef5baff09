// Command-line options as a table: one row gives an option its name, its help and what it does with
// a value. Pure; main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tessera {

struct Option {
  std::string name;   // "--top-k"
  std::string value;  // what its value is called in the help, "N"; empty = it takes none
  std::string help;
  // INVALID_ARGUMENT says what was expected; the parser adds the name. Without a value it gets "".
  std::function<absl::Status(const std::string&)> apply;
  std::string group = {};  // heading in the help; empty = that of the row before
};

// Applies every option and returns what stands alone through `positional`. Takes "--a b", "--a=b"
// and, for values that begin with a dash, both; "--" ends the options; "-" stands alone.
absl::Status parse_options(const std::vector<Option>& options,
                           const std::vector<std::string>& arguments,
                           std::vector<std::string>& positional);

std::string options_help(const std::vector<Option>& options);

// Rows' actions for plain values.
std::function<absl::Status(const std::string&)> into_text(std::string& target);
std::function<absl::Status(const std::string&)> into_flag(bool& target);
// Calls `set` with the number; its type decides what is accepted.
std::function<absl::Status(const std::string&)> with_integer(std::function<void(int64_t)> set);
std::function<absl::Status(const std::string&)> with_number(std::function<void(double)> set);

std::function<absl::Status(const std::string&)> with_small_integer(
    std::function<void(int32_t)> set);
std::function<absl::Status(const std::string&)> with_seed(std::function<void(uint64_t)> set);
std::function<absl::Status(const std::string&)> with_text(
    std::function<void(const std::string&)> set);
std::function<absl::Status(const std::string&)> into_time(double& seconds);  // above 0

absl::Status parse_whole(const std::string& text, int64_t& value);
absl::Status parse_real(const std::string& text, double& value);

}  // namespace tessera
