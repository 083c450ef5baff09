#include "tools/client/options.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

const Option* find(const std::vector<Option>& options, const std::string& name) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

absl::Status unknown(const std::vector<Option>& options, const std::string& name) {
  // A shared beginning is the likeliest slip: --stop-id for --stop-token-id.
  const Option* nearest = nullptr;
  size_t longest = 3;
  for (const Option& option : options) {
    const size_t shared =
        std::mismatch(name.begin(), name.end(), option.name.begin(), option.name.end()).first -
        name.begin();
    if (shared > longest) {
      longest = shared;
      nearest = &option;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no option ", name,
                   nearest == nullptr ? "" : absl::StrCat("; did you mean ", nearest->name, "?")));
}

}  // namespace

absl::Status parse_options(const std::vector<Option>& options,
                           const std::vector<std::string>& arguments,
                           std::vector<std::string>& positional) {
  for (size_t at = 0; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--") {
      positional.insert(positional.end(), arguments.begin() + at + 1, arguments.end());
      break;
    }
    if (!absl::StartsWith(argument, "-") || argument == "-") {
      positional.push_back(argument);
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const Option* option = find(options, name);
    if (option == nullptr) return unknown(options, name);
    std::string value;
    if (equals != std::string::npos) {
      if (option->value.empty())
        return absl::InvalidArgumentError(absl::StrCat(name, " takes no value"));
      value = argument.substr(equals + 1);
    } else if (!option->value.empty()) {
      if (++at == arguments.size())
        return absl::InvalidArgumentError(absl::StrCat(name, " needs ", option->value));
      value = arguments[at];
    }
    if (absl::Status status = option->apply(value); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
  }
  return absl::OkStatus();
}

std::string options_help(const std::vector<Option>& options) {
  constexpr size_t kHelpColumn = 30;
  std::string text;
  for (const Option& option : options) {
    if (!option.group.empty()) absl::StrAppend(&text, "\n", option.group, "\n");
    std::string line =
        absl::StrCat("  ", option.name, option.value.empty() ? "" : " ", option.value);
    line.append(line.size() < kHelpColumn ? kHelpColumn - line.size() : 1, ' ');
    absl::StrAppend(&text, line, option.help, "\n");
  }
  return text;
}

std::function<absl::Status(const std::string&)> into_text(std::string& target) {
  return [&target](const std::string& value) {
    target = value;
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> into_flag(bool& target) {
  return [&target](const std::string&) {
    target = true;
    return absl::OkStatus();
  };
}

absl::Status parse_whole(const std::string& text, int64_t& value) {
  if (absl::SimpleAtoi(text, &value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("expected a whole number, found '", text, "'"));
}

absl::Status parse_real(const std::string& text, double& value) {
  if (absl::SimpleAtod(text, &value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("expected a number, found '", text, "'"));
}

std::function<absl::Status(const std::string&)> with_integer(std::function<void(int64_t)> set) {
  return [set = std::move(set)](const std::string& text) {
    int64_t value = 0;
    if (absl::Status status = parse_whole(text, value); !status.ok()) return status;
    set(value);
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> with_number(std::function<void(double)> set) {
  return [set = std::move(set)](const std::string& text) {
    double value = 0;
    if (absl::Status status = parse_real(text, value); !status.ok()) return status;
    set(value);
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> with_small_integer(
    std::function<void(int32_t)> set) {
  return [set = std::move(set)](const std::string& text) {
    int32_t value = 0;
    if (!absl::SimpleAtoi(text, &value))
      return absl::InvalidArgumentError(
          absl::StrCat("expected a whole number of 32 bits, found '", text, "'"));
    set(value);
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> with_seed(std::function<void(uint64_t)> set) {
  return [set = std::move(set)](const std::string& text) {
    uint64_t seed = 0;
    if (!absl::SimpleAtoi(text, &seed))
      return absl::InvalidArgumentError("expected a whole number from 0 to 2^64 - 1");
    set(seed);
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> with_text(
    std::function<void(const std::string&)> set) {
  return [set = std::move(set)](const std::string& text) {
    set(text);
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> into_time(double& seconds) {
  return [&seconds](const std::string& text) {
    absl::Status status = parse_real(text, seconds);
    // Written so that a NaN fails the comparison.
    if (status.ok() && !(seconds > 0)) return absl::InvalidArgumentError("expected a time above 0");
    return status;
  };
}

}  // namespace tessera
