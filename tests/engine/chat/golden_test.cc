// Byte for byte what transformers and Jinja rendered: see tools/golden/chat_goldens.py.
#include <gtest/gtest.h>

#include <fstream>

#include "engine/chat/chat_templates.h"
#include "engine/chat/golden_files.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

void expect_result(const absl::StatusOr<std::string>& result, const Json& expected) {
  if (expected.contains("text")) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*result, expected["text"].get<std::string>());
  } else {
    ASSERT_FALSE(result.ok()) << "rendered: " << *result;
    EXPECT_FALSE(absl::IsInternal(result.status())) << result.status();
  }
  if (!expected.contains("raised")) return;
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(result.status().message(), expected["raised"].get<std::string>());
}

TEST(ChatGoldens, ExpressionsEqualJinja) {
  const Json golden = golden_json("expressions.json");
  ASSERT_GT(golden["cases"].size(), 300u);
  for (const Json& expected : golden["cases"]) {
    const std::string source = expected["template"].get<std::string>();
    SCOPED_TRACE(source);
    const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(source, "case");
    if (!parsed.ok()) {
      EXPECT_FALSE(expected.contains("text")) << parsed.status();
      continue;
    }
    expect_result(parsed->render(golden["context"], golden_limits()), expected);
  }
}

ChatRequest request_of(const Json& request) {
  ChatRequest made;
  made.messages = request["messages"];
  if (request.contains("tools")) made.tools = request["tools"];
  if (request.contains("documents")) made.documents = request["documents"];
  if (request.contains("arguments")) made.arguments = request["arguments"];
  made.add_generation_prompt = request.value("add_generation_prompt", true);
  made.continue_final_message = request.value("continue_final_message", false);
  return made;
}

TEST(ChatGoldens, ConversationsEqualApplyChatTemplate) {
  const Json golden = golden_json("rendered.json");
  int rendered = 0;
  for (const auto& [name, results] : golden["results"].items()) {
    const TemporaryFolder folder;
    std::filesystem::copy_file(chat_goldens() / "templates" / (name + ".jinja"),
                               folder.path() / "chat_template.jinja");
    std::ofstream(folder.path() / "tokenizer_config.json") << golden["tokens"].dump();
    const absl::StatusOr<ChatTemplates> templates = ChatTemplates::load(folder.path());
    ASSERT_TRUE(templates.ok()) << templates.status();
    ASSERT_TRUE(templates->ready().ok()) << templates->ready();
    for (const auto& [request, expected] : results.items()) {
      SCOPED_TRACE(name + " x " + request);
      expect_result(templates->render(request_of(golden["requests"][request]), golden_limits()),
                    expected);
      rendered += expected.contains("text") ? 1 : 0;
    }
  }
  EXPECT_GT(rendered, 400);
}

}  // namespace
}  // namespace tessera
