// The one exception of this room: a template that cannot be parsed or rendered. It unwinds the
// recursive parser and evaluator and is caught in chat_template.cc, where it becomes an
// absl::Status; nothing else throws on purpose and nothing escapes the room.
#pragma once

#include <absl/status/status.h>

#include <exception>
#include <string>

namespace tessera::jinja {

class Failure : public std::exception {
 public:
  // line 0: the line is whatever was being evaluated.
  Failure(absl::StatusCode code, std::string message, int line = 0)
      : code_(code), message_(std::move(message)), line_(line) {}

  absl::StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  int line() const { return line_; }
  // Whether the message stands alone: it is what the template itself raised.
  bool verbatim() const { return verbatim_; }
  static Failure raised(std::string message) {
    Failure failure(absl::StatusCode::kInvalidArgument, std::move(message));
    failure.verbatim_ = true;
    return failure;
  }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  absl::StatusCode code_;
  std::string message_;
  int line_;
  bool verbatim_ = false;
};

// The template did something Python would refuse: a wrong type, an undefined value, a bad argument.
[[noreturn]] inline void fail(std::string message) {
  throw Failure(absl::StatusCode::kInvalidArgument, std::move(message));
}
// The template reached for something the sandbox keeps from it.
[[noreturn]] inline void fail_unsafe(std::string message) {
  throw Failure(absl::StatusCode::kFailedPrecondition, std::move(message));
}
// Valid in Jinja or Python, but outside the subset rendered here.
[[noreturn]] inline void fail_unsupported(const std::string& message) {
  throw Failure(absl::StatusCode::kUnimplemented, "not supported: " + message);
}
[[noreturn]] inline void fail_limit(std::string message) {
  throw Failure(absl::StatusCode::kResourceExhausted, std::move(message));
}

}  // namespace tessera::jinja
