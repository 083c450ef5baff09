#include "engine/chat/chat_templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class ChatTemplatesTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  ChatTemplates loaded() {
    absl::StatusOr<ChatTemplates> templates = ChatTemplates::load(folder_.path());
    EXPECT_TRUE(templates.ok()) << templates.status();
    return *std::move(templates);
  }
  std::string load_error() {
    const absl::StatusOr<ChatTemplates> templates = ChatTemplates::load(folder_.path());
    EXPECT_TRUE(absl::IsInvalidArgument(templates.status())) << templates.status();
    return std::string(templates.status().message());
  }
  static ChatRequest hello() {
    ChatRequest request;
    request.messages = {{{"role", "user"}, {"content", "hello"}}};
    return request;
  }
  static ChatRequest with_tools() {
    ChatRequest request = hello();
    request.tools = nlohmann::ordered_json::array({{{"name", "f"}}});
    return request;
  }

  TemporaryFolder folder_;
};

TEST_F(ChatTemplatesTest, TemplateStringInTokenizerConfig) {
  write(
      "tokenizer_config.json",
      R"({"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}",
            "bos_token": {"content": "<b>", "lstrip": false}, "eos_token": "<e>", "pad_token": null,
            "added_tokens_decoder": {}})");
  write("special_tokens_map.json", R"({"bos_token": "ignored"})");
  EXPECT_EQ(loaded().render(hello()).value(), "<b>hello<e>");
}

TEST_F(ChatTemplatesTest, SpecialTokensMapCountsWithoutAddedTokens) {
  write("tokenizer_config.json",
        R"({"chat_template": "{{ bos_token }}{{ eos_token }}", "eos_token": "e"})");
  write("special_tokens_map.json", R"({"bos_token": {"content": "b"}})");
  EXPECT_EQ(loaded().render(hello()).value(), "be");
  EXPECT_EQ(loaded().special_tokens().at("bos_token"), "b");
}

TEST_F(ChatTemplatesTest, ListOfTemplatesChoosesByTools) {
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "plain"},
                              {"name": "tool_use", "template": "tools"},
                              {"name": "rag", "template": "rag"}]})");
  const ChatTemplates templates = loaded();
  EXPECT_EQ(templates.render(hello()).value(), "plain");
  EXPECT_EQ(templates.render(with_tools()).value(), "tools");
  ChatRequest request = hello();
  request.template_name = "rag";
  EXPECT_EQ(templates.render(request).value(), "rag");
  request.template_name = "other";
  EXPECT_THAT(templates.render(request).status().message(), HasSubstr("default, rag, tool_use"));
}

TEST_F(ChatTemplatesTest, FilesComeBeforeTheConfig) {
  write("tokenizer_config.json", R"({"chat_template": "config"})");
  write("chat_template.json", R"({"chat_template": "legacy"})");
  EXPECT_EQ(loaded().render(hello()).value(), "config");
  write("chat_template.jinja", "file");
  write("additional_chat_templates/tool_use.jinja", "extra");
  write("additional_chat_templates/notes.txt", "{% broken");
  EXPECT_EQ(loaded().render(hello()).value(), "file");
  EXPECT_EQ(loaded().render(with_tools()).value(), "extra");
}

TEST_F(ChatTemplatesTest, LegacyFileIsTheLastResort) {
  write("chat_template.json", R"({"chat_template": "legacy"})");
  EXPECT_EQ(loaded().render(hello()).value(), "legacy");
}

TEST_F(ChatTemplatesTest, NoTemplateIsRefusedNotGuessed) {
  write("tokenizer_config.json", R"({"bos_token": "b"})");
  const ChatTemplates templates = loaded();
  EXPECT_TRUE(absl::IsFailedPrecondition(templates.ready()));
  EXPECT_TRUE(absl::IsFailedPrecondition(templates.render(hello()).status()));
}

TEST_F(ChatTemplatesTest, TemplateOutsideTheSubsetStillLoads) {
  write("chat_template.jinja", "a\n{% include 'x' %}");
  const ChatTemplates templates = loaded();
  EXPECT_TRUE(absl::IsUnimplemented(templates.ready()));
  const absl::Status refused = templates.render(hello()).status();
  EXPECT_TRUE(absl::IsUnimplemented(refused));
  EXPECT_THAT(refused.message(), HasSubstr("chat_template.jinja:2"));
  EXPECT_THAT(refused.message(), HasSubstr("include"));
}

TEST_F(ChatTemplatesTest, BrokenTemplateIsNotTheClientsFault) {
  write("chat_template.jinja", "{% if %}");
  EXPECT_TRUE(absl::IsFailedPrecondition(loaded().render(hello()).status()));
}

TEST_F(ChatTemplatesTest, WrongFilesAreNamed) {
  write("tokenizer_config.json", "{");
  EXPECT_THAT(load_error(), HasSubstr("tokenizer_config.json: not a JSON object"));
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THAT(load_error(), HasSubstr("tokenizer_config.json chat_template"));
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_THAT(load_error(), HasSubstr("'template'"));
  write("tokenizer_config.json", R"({"bos_token": 7})");
  EXPECT_THAT(load_error(), HasSubstr("'bos_token'"));
  write("tokenizer_config.json", "{}");
  write("special_tokens_map.json", R"({"eos_token": {"content": []}})");
  EXPECT_THAT(load_error(), HasSubstr("special_tokens_map.json: 'eos_token'"));
}

TEST_F(ChatTemplatesTest, WrongRequestsNameTheField) {
  write("chat_template.jinja", "x");
  const ChatTemplates templates = loaded();
  const auto message_of = [&](const ChatRequest& request) {
    const absl::Status status = templates.render(request).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  ChatRequest request = hello();
  request.messages = nlohmann::ordered_json::array();
  EXPECT_THAT(message_of(request), HasSubstr("messages is empty"));
  request.messages = {{{"role", "user"}}, "text"};
  EXPECT_THAT(message_of(request), HasSubstr("messages[1] must be an object"));
  request = hello();
  request.tools = {{"name", "f"}};
  EXPECT_THAT(message_of(request), HasSubstr("tools must be an array"));
  request = hello();
  request.arguments = {{"messages", 1}};
  EXPECT_THAT(message_of(request), HasSubstr("'messages'"));
  request = hello();
  request.continue_final_message = true;
  EXPECT_THAT(message_of(request), HasSubstr("exclude each other"));
  request = hello();
  request.messages[0]["content"] = "bad \xff byte";
  EXPECT_THAT(message_of(request), HasSubstr("messages[0].content"));
}

}  // namespace
}  // namespace tessera
