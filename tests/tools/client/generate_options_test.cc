#include "tools/client/generate_options.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::HasSubstr;

absl::StatusOr<GenerateOptions> parse(const std::vector<std::string>& arguments,
                                      const std::string& input = "") {
  std::istringstream in(input);
  return parse_generate(arguments, in);
}

std::string error_of(const std::vector<std::string>& arguments) {
  return std::string(parse(arguments).status().message());
}

class File {
 public:
  explicit File(const std::string& text)
      : path_(std::filesystem::path(testing::TempDir()) /
              ("generate_options_test." + std::to_string(counter_++))) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  static inline int counter_ = 0;
  std::filesystem::path path_;
};

TEST(GenerateOptions, PlainPromptSetsNothingElse) {
  const auto options = parse({"def f():"});
  ASSERT_TRUE(options.ok()) << options.status();
  const v1::GenerateTextRequest& r = options->request;
  EXPECT_EQ(r.prompt(), "def f():");
  EXPECT_FALSE(r.has_request_id() || r.has_model() || r.has_priority() || r.has_best_effort());
  EXPECT_FALSE(r.sampling().has_temperature() || r.sampling().has_seed() || r.sampling().has_n());
  EXPECT_FALSE(r.stopping().has_max_tokens() || r.stopping().has_ignore_eos());
  EXPECT_FALSE(r.response().has_logprobs() || r.response().has_skip_special_tokens());
  EXPECT_EQ(options->address, "127.0.0.1:50051");
}

TEST(GenerateOptions, EveryOptionReachesTheRequest) {
  const auto options = parse({"--temperature",
                              "0",
                              "--top-k=5",
                              "--top-p",
                              "0.9",
                              "--min-p",
                              "0.1",
                              "--repetition-penalty",
                              "1.1",
                              "--presence-penalty",
                              "-1",
                              "--frequency-penalty",
                              "0.5",
                              "--logit-bias",
                              "7=-100",
                              "--logit-bias",
                              "8=1.5",
                              "--seed",
                              "18446744073709551615",
                              "--n",
                              "3",
                              "--max-tokens",
                              "10",
                              "--min-tokens",
                              "2",
                              "--stop",
                              "\n",
                              "--stop",
                              "end",
                              "--stop-token-id",
                              "9",
                              "--ignore-eos",
                              "--include-stop",
                              "--json",
                              "--stats",
                              "--logprobs",
                              "4",
                              "--prompt-logprobs",
                              "0",
                              "--show-token-ids",
                              "--keep-special-tokens",
                              "--address",
                              "h:1",
                              "--timeout",
                              "2.5",
                              "--model",
                              "m",
                              "--request-id",
                              "id",
                              "--priority",
                              "-2",
                              "--best-effort",
                              "--no-prefix-cache",
                              "--cache-salt",
                              "s",
                              "--policy",
                              "ngram:max_n=5,ratio=0.5,deep=true,name=x",
                              "--policy",
                              "plain",
                              "p"});
  ASSERT_TRUE(options.ok()) << options.status();
  const v1::GenerateTextRequest& r = options->request;
  EXPECT_TRUE(r.sampling().has_temperature());
  EXPECT_EQ(r.sampling().temperature(), 0);
  EXPECT_EQ(r.sampling().top_k(), 5);
  EXPECT_EQ(r.sampling().top_p(), 0.9);
  EXPECT_EQ(r.sampling().min_p(), 0.1);
  EXPECT_EQ(r.sampling().repetition_penalty(), 1.1);
  EXPECT_EQ(r.sampling().presence_penalty(), -1);
  EXPECT_EQ(r.sampling().frequency_penalty(), 0.5);
  EXPECT_EQ(r.sampling().logit_bias().at(7), -100);
  EXPECT_EQ(r.sampling().logit_bias().at(8), 1.5);
  EXPECT_EQ(r.sampling().seed(), 18446744073709551615u);
  EXPECT_EQ(r.sampling().n(), 3);
  EXPECT_EQ(r.stopping().max_tokens(), 10);
  EXPECT_EQ(r.stopping().min_tokens(), 2);
  EXPECT_THAT(r.stopping().stop(), testing::ElementsAre("\n", "end"));
  EXPECT_THAT(r.stopping().stop_token_ids(), testing::ElementsAre(9));
  EXPECT_TRUE(r.stopping().ignore_eos() && r.stopping().include_stop_in_output());
  EXPECT_EQ(r.response().logprobs(), 4);
  EXPECT_TRUE(r.response().has_prompt_logprobs());
  EXPECT_TRUE(r.response().token_ids());
  EXPECT_FALSE(r.response().skip_special_tokens());
  EXPECT_EQ(r.model(), "m");
  EXPECT_EQ(r.request_id(), "id");
  EXPECT_EQ(r.priority(), -2);
  EXPECT_TRUE(r.best_effort() && r.caching().bypass_prefix_cache());
  EXPECT_EQ(r.caching().cache_salt(), "s");
  const auto& values = r.policies().at("ngram").values();
  EXPECT_EQ(values.at("max_n").integer(), 5);
  EXPECT_EQ(values.at("ratio").number(), 0.5);
  EXPECT_TRUE(values.at("deep").flag());
  EXPECT_EQ(values.at("name").text(), "x");
  EXPECT_EQ(r.policies().count("plain"), 1u);
  EXPECT_TRUE(options->json && options->stats);
  EXPECT_EQ(options->address, "h:1");
  EXPECT_EQ(options->timeout_seconds, 2.5);
}

TEST(GenerateOptions, Inputs) {
  EXPECT_EQ(parse({"-"}, "from\nstdin")->request.prompt(), "from\nstdin");
  EXPECT_EQ(parse({"--", "--help"})->request.prompt(), "--help");
  EXPECT_THAT(parse({"--token-ids", "1,-2,3"})->request.token_ids().ids(),
              testing::ElementsAre(1, -2, 3));
  const File chat(R"([{"role": "user", "content": "hi"},
                      {"role": "assistant", "content": null, "tool_calls": [1]}])");
  const File tools("[]");
  const auto options =
      parse({"--system", "be brief", "--chat", chat.path(), "--user", "and now?", "--tools",
             tools.path(), "--template-arguments", "{\"a\": 1}", "--no-generation-prompt"});
  ASSERT_TRUE(options.ok()) << options.status();
  const v1::Chat& c = options->request.chat();
  ASSERT_EQ(c.messages_size(), 4);
  EXPECT_EQ(c.messages(0).role(), "system");
  EXPECT_EQ(c.messages(1).content(), "hi");
  EXPECT_FALSE(c.messages(1).has_fields_json());
  EXPECT_EQ(c.messages(2).fields_json(), R"({"content":null,"tool_calls":[1]})");
  EXPECT_FALSE(c.messages(2).has_content());
  EXPECT_EQ(c.messages(3).content(), "and now?");
  EXPECT_EQ(c.tools_json(), "[]");
  EXPECT_EQ(c.template_arguments_json(), "{\"a\": 1}");
  EXPECT_TRUE(c.has_add_generation_prompt());
  EXPECT_FALSE(c.add_generation_prompt());
}

TEST(GenerateOptions, SaysWhatIsWrong) {
  EXPECT_THAT(error_of({}), HasSubstr("nothing to continue"));
  EXPECT_THAT(error_of({"a", "b"}), HasSubstr("'b' is a second one"));
  EXPECT_THAT(error_of({"a", "--user", "b"}), HasSubstr("either a prompt, or a chat"));
  EXPECT_THAT(error_of({"--token-ids", "1,x"}), HasSubstr("token id, found 'x'"));
  EXPECT_THAT(error_of({"--token-ids", "1,3000000000"}), HasSubstr("token id"));
  EXPECT_THAT(error_of({"a", "--tools", "t"}), HasSubstr("belong to a chat"));
  EXPECT_THAT(error_of({"--chat", "/nonexistent/file"}), HasSubstr("cannot be read"));
  const File broken("{");
  EXPECT_THAT(error_of({"--chat", broken.path()}), HasSubstr("not a JSON array"));
  const File numbers("[1]");
  EXPECT_THAT(error_of({"--chat", numbers.path()}), HasSubstr("array of objects"));
  EXPECT_THAT(error_of({"a", "--seed", "-1"}), HasSubstr("--seed"));
  EXPECT_THAT(error_of({"a", "--timeout", "0"}), HasSubstr("above 0"));
  EXPECT_THAT(error_of({"a", "--logit-bias", "7"}), HasSubstr("ID=BIAS"));
  EXPECT_THAT(error_of({"a", "--policy", "x:y"}), HasSubstr("key=value"));
  EXPECT_THAT(error_of({"a", "--policy", ":y=1"}), HasSubstr("NAME"));
  EXPECT_THAT(error_of({"a", "--priority", "3000000000"}), HasSubstr("--priority"));
}

TEST(GenerateOptions, HelpNeedsNoPrompt) {
  EXPECT_TRUE(parse({"--help"})->help);
  for (const char* option : {"--temperature", "--stop", "--chat", "--json", "--address"})
    EXPECT_THAT(generate_help(), HasSubstr(option));
}

}  // namespace
}  // namespace tessera
