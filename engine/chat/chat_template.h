// One chat template of a model folder: a sandboxed subset of Jinja that renders, byte for byte,
// what transformers' apply_chat_template renders. Parsed once at load and immutable; any thread may
// render. Templates are untrusted: parsing and rendering always end, within RenderLimits.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/chat/limits.h"

namespace tessera {

namespace jinja {
struct Template;
}

class ChatTemplate {
 public:
  // `origin` is the file name that messages give. Errors: UNIMPLEMENTED for Jinja outside the
  // subset, naming the construct and its line; INVALID_ARGUMENT for what Jinja itself refuses;
  // RESOURCE_EXHAUSTED beyond kSourceMost bytes.
  static absl::StatusOr<ChatTemplate> parse(std::string_view source, std::string_view origin);
  static constexpr std::size_t kSourceMost = 1u << 20;

  // `context` is an object: messages, tools, add_generation_prompt, bos_token and so on; the order
  // of keys shows in what is printed. Errors name origin and line: INVALID_ARGUMENT when the
  // template fails on this context (what it says with raise_exception stands alone),
  // RESOURCE_EXHAUSTED at a limit, FAILED_PRECONDITION when it reaches out of the sandbox,
  // UNIMPLEMENTED when it uses something outside the subset.
  absl::StatusOr<std::string> render(const nlohmann::ordered_json& context,
                                     const RenderLimits& limits = {}) const;

  const std::string& origin() const { return origin_; }

 private:
  ChatTemplate(std::string origin, std::shared_ptr<const jinja::Template> parsed);
  std::string origin_;
  std::shared_ptr<const jinja::Template> parsed_;
};

}  // namespace tessera
