// What lies outside the subset is refused by name and line, at load where that can be known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/chat/chat_template.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

struct Refused {
  const char* source;
  int line;
  const char* construct;
};

TEST(Unsupported, RefusedAtLoadWithLine) {
  const Refused cases[] = {
      {"{% include 'other' %}", 1, "include"},
      {"\n{% import 'x' as y %}", 2, "import"},
      {"\n\n{% from 'x' import y %}", 3, "from"},
      {"{% extends 'x' %}", 1, "extends"},
      {"a\n{% block b %}{% endblock %}", 2, "block"},
      {"{% autoescape true %}{% endautoescape %}", 1, "autoescape"},
      {"{% for x in xs recursive %}{% endfor %}", 1, "recursive"},
      {"{{ x\n | urlize }}", 2, "urlize"},
      {"{{ x|xmlattr }}", 1, "xmlattr"},
      {"{{ x is strange }}", 1, "strange"},
      {"{{ joiner(',') }}", 1, "joiner"},
      {"{{ cycler(1, 2) }}", 1, "cycler"},
      {"{{ \n größe }}", 2, "ASCII"},
      {"{{ '\\N{DASH}' }}", 1, "\\N"},
      {"{{ '\\ud83d' }}", 1, "Unicode"},
      {"{{ 999999999999999999999999999999999999999999 }}", 1, "128 bits"},
      {"{{ x[1:2, 3] }}", 1, "slice"},
  };
  for (const Refused& refused : cases) {
    SCOPED_TRACE(refused.source);
    const absl::Status status = ChatTemplate::parse(refused.source, "t.jinja").status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("t.jinja:" + std::to_string(refused.line) + ":"));
    EXPECT_THAT(status.message(), HasSubstr(refused.construct));
  }
}

TEST(Unsupported, RefusedWhenRenderedWithLine) {
  const Refused cases[] = {
      {"{{ 'x'.encode() }}", 1, "encode"},
      {"\n{{ 5.real }}", 2, "real"},
      {"{{ ('<'|safe).strip() }}", 1, "safe"},
      {"{{ 2 ** 200 }}", 1, "128 bits"},
      {"{{ ['a']|map('nosuch')|list }}", 1, "nosuch"},
      {"{{ strftime_now('%f') }}", 1, "microseconds"},
      {"{{ 'a' is sameas 'a' }}", 1, "sameas"},
  };
  for (const Refused& refused : cases) {
    SCOPED_TRACE(refused.source);
    const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(refused.source, "t.jinja");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const absl::Status status = parsed->render(nlohmann::ordered_json::object()).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("t.jinja:" + std::to_string(refused.line) + ":"));
    EXPECT_THAT(status.message(), HasSubstr(refused.construct));
  }
}

TEST(Unsupported, FailuresNameOriginAndLine) {
  const absl::StatusOr<ChatTemplate> parsed =
      ChatTemplate::parse("a\n{% for x in [1] %}\n{{ x + missing }}\n{% endfor %}", "t.jinja");
  ASSERT_TRUE(parsed.ok());
  const absl::Status status = parsed->render(nlohmann::ordered_json::object()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), "t.jinja:3: 'missing' is undefined");
}

}  // namespace
}  // namespace tessera
