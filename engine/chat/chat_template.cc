#include "engine/chat/chat_template.h"

#include "engine/chat/context.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/parser.h"
#include "engine/chat/scope.h"
#include "engine/chat/unicode.h"

namespace tessera {
namespace {

constexpr std::size_t kMessageMost = 4096;  // bytes; messages may quote what the template made

absl::Status at_line(const std::string& origin, int line, const jinja::Failure& failure) {
  std::string message = failure.message();
  if (message.size() > kMessageMost) {
    std::size_t end = kMessageMost;
    jinja::previous_point(message, end);
    message.resize(end);
  }
  if (failure.verbatim()) return absl::Status(failure.code(), message);
  return absl::Status(failure.code(), origin + ":" + std::to_string(line) + ": " + message);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string origin, std::shared_ptr<const jinja::Template> parsed)
    : origin_(std::move(origin)), parsed_(std::move(parsed)) {}

absl::StatusOr<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view origin) {
  const std::string name(origin);
  if (source.size() > kSourceMost) {
    return absl::ResourceExhaustedError(name + ": the template has " +
                                        std::to_string(source.size()) + " bytes, at most " +
                                        std::to_string(kSourceMost) + " are read");
  }
  if (!jinja::valid_utf8(source)) {
    return absl::InvalidArgumentError(name + ": the template is not UTF-8");
  }
  try {
    auto parsed = std::make_shared<jinja::Template>(jinja::parse_template(source));
    jinja::resolve_names(*parsed);
    return ChatTemplate(name, std::move(parsed));
  } catch (const jinja::Failure& failure) {
    return at_line(name, failure.line(), failure);
  }
}

absl::StatusOr<std::string> ChatTemplate::render(const nlohmann::ordered_json& context,
                                                 const RenderLimits& limits) const {
  if (!context.is_object()) return absl::InvalidArgumentError("the context is not an object");
  jinja::Meter meter(limits);
  jinja::Value values;
  try {
    values = jinja::from_json(meter, context);
  } catch (const jinja::Failure& failure) {
    return absl::Status(failure.code(), "chat context: " + failure.message());
  }
  jinja::Evaluator evaluator(*parsed_, values, meter);
  try {
    return evaluator.run();
  } catch (const jinja::Failure& failure) {
    return at_line(origin_, evaluator.line(), failure);
  }
}

}  // namespace tessera
