#include "server/grpc/request_mapping.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

v1::GenerateTextRequest minimal() {
  v1::GenerateTextRequest wire;
  wire.set_prompt("p");
  return wire;
}

TEST(RequestMapping, AbsentStaysAbsent) {
  const auto request = to_text_request(minimal());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(std::get<std::string>(request->input), "p");
  EXPECT_EQ(request->id, "");
  EXPECT_FALSE(request->sampling.temperature || request->sampling.top_k ||
               request->sampling.top_p || request->sampling.min_p ||
               request->sampling.repetition_penalty || request->sampling.presence_penalty ||
               request->sampling.frequency_penalty || request->sampling.seed ||
               request->sampling.n);
  EXPECT_FALSE(request->stopping.max_tokens || request->stopping.min_tokens);
  EXPECT_FALSE(request->response.logprobs || request->response.prompt_logprobs);
  EXPECT_TRUE(request->response.skip_special_tokens);
  EXPECT_TRUE(request->policies.empty());
}

TEST(RequestMapping, EveryFieldArrives) {
  v1::GenerateTextRequest wire;
  wire.set_request_id("id-1");
  wire.set_model("m");
  wire.mutable_token_ids()->add_ids(-1);
  wire.mutable_token_ids()->add_ids(std::numeric_limits<int32_t>::max());
  v1::Sampling& sampling = *wire.mutable_sampling();
  sampling.set_temperature(0);
  sampling.set_top_k(-5);
  sampling.set_top_p(0.1);
  sampling.set_min_p(0.2);
  sampling.set_repetition_penalty(1.3);
  sampling.set_presence_penalty(-2);
  sampling.set_frequency_penalty(2);
  sampling.set_seed(std::numeric_limits<uint64_t>::max());
  sampling.set_n(std::numeric_limits<int64_t>::min());
  (*sampling.mutable_logit_bias())[-7] = 1e300;
  v1::Stopping& stopping = *wire.mutable_stopping();
  stopping.set_max_tokens(0);
  stopping.set_min_tokens(9);
  stopping.add_stop("");
  stopping.add_stop("end");
  stopping.add_stop_token_ids(4);
  stopping.set_ignore_eos(true);
  stopping.set_include_stop_in_output(true);
  v1::Response& response = *wire.mutable_response();
  response.set_logprobs(99);
  response.set_prompt_logprobs(0);
  response.set_token_ids(true);
  response.set_skip_special_tokens(false);
  wire.mutable_caching()->set_bypass_prefix_cache(true);
  wire.mutable_caching()->set_cache_salt("salt");
  wire.set_priority(-3);
  wire.set_best_effort(true);
  auto& values = *(*wire.mutable_policies())["ngram"].mutable_values();
  values["flag"].set_flag(true);
  values["integer"].set_integer(-4);
  values["number"].set_number(0.5);
  values["text"].set_text("t");
  (*wire.mutable_policies())["empty"];

  const auto mapped = to_text_request(wire);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const TextRequest& r = *mapped;
  EXPECT_EQ(r.id, "id-1");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(std::get<std::vector<int32_t>>(r.input),
            (std::vector<int32_t>{-1, std::numeric_limits<int32_t>::max()}));
  EXPECT_EQ(r.sampling.temperature, 0.0);
  EXPECT_EQ(r.sampling.top_k, -5);
  EXPECT_EQ(r.sampling.top_p, 0.1);
  EXPECT_EQ(r.sampling.min_p, 0.2);
  EXPECT_EQ(r.sampling.repetition_penalty, 1.3);
  EXPECT_EQ(r.sampling.presence_penalty, -2.0);
  EXPECT_EQ(r.sampling.frequency_penalty, 2.0);
  EXPECT_EQ(r.sampling.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(r.sampling.n, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(r.sampling.logit_bias.at(-7), 1e300);
  EXPECT_EQ(r.stopping.max_tokens, 0);
  EXPECT_EQ(r.stopping.min_tokens, 9);
  EXPECT_EQ(r.stopping.stop, (std::vector<std::string>{"", "end"}));
  EXPECT_EQ(r.stopping.stop_token_ids, (std::vector<int32_t>{4}));
  EXPECT_TRUE(r.stopping.ignore_eos && r.stopping.include_stop_in_output);
  EXPECT_EQ(r.response.logprobs, 99);
  EXPECT_EQ(r.response.prompt_logprobs, 0);
  EXPECT_TRUE(r.response.token_ids);
  EXPECT_FALSE(r.response.skip_special_tokens);
  EXPECT_TRUE(r.bypass_prefix_cache);
  EXPECT_EQ(r.cache_salt, "salt");
  EXPECT_EQ(r.priority, -3);
  EXPECT_TRUE(r.best_effort);
  const PolicyParams expected{
      {"flag", true}, {"integer", int64_t{-4}}, {"number", 0.5}, {"text", std::string("t")}};
  EXPECT_EQ(r.policies.at("ngram"), expected);
  EXPECT_TRUE(r.policies.at("empty").empty());
}

TEST(RequestMapping, ChatBecomesTheTemplatesJson) {
  v1::GenerateTextRequest wire;
  v1::Chat& chat = *wire.mutable_chat();
  v1::ChatMessage& first = *chat.add_messages();
  first.set_role("user");
  first.set_content("say \"hi\"\n\xe2\x82\xac");
  v1::ChatMessage& second = *chat.add_messages();
  second.set_role("assistant");
  second.set_fields_json(R"({"tool_calls": [{"b": 1, "a": 2.5}], "content": null})");
  chat.set_tools_json("[ {\"z\": 1, \"a\": 2} ]");
  chat.set_template_arguments_json("{\"enable_thinking\": false}");
  chat.set_add_generation_prompt(false);
  const auto mapped = to_text_request(wire);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const ChatInput& input = std::get<ChatInput>(mapped->input);
  EXPECT_EQ(input.messages,
            "[{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\xe2\x82\xac\"},"
            "{\"role\":\"assistant\",\"tool_calls\":[{\"b\":1,\"a\":2.5}],\"content\":null}]");
  // Key order is part of what the template prints.
  EXPECT_EQ(input.tools, "[ {\"z\": 1, \"a\": 2} ]");
  EXPECT_EQ(input.template_arguments, "{\"enable_thinking\": false}");
  EXPECT_FALSE(input.add_generation_prompt);
}

void expect_refused(const v1::GenerateTextRequest& wire, const std::string& field,
                    absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  const absl::Status status = to_text_request(wire).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(field_of(status), field);
  EXPECT_THAT(std::string(status.message()), testing::StartsWith(field));
}

TEST(RequestMapping, NothingToGenerateFrom) {
  expect_refused(v1::GenerateTextRequest(), "prompt");
  v1::GenerateTextRequest wire;
  wire.mutable_chat();
  expect_refused(wire, "chat.messages");
}

TEST(RequestMapping, NumbersThatAreNone) {
  using Set = std::function<void(v1::GenerateTextRequest&, double)>;
  const std::map<std::string, Set> fields{
      {"sampling.temperature", [](auto& w, double v) { w.mutable_sampling()->set_temperature(v); }},
      {"sampling.top_p", [](auto& w, double v) { w.mutable_sampling()->set_top_p(v); }},
      {"sampling.min_p", [](auto& w, double v) { w.mutable_sampling()->set_min_p(v); }},
      {"sampling.repetition_penalty",
       [](auto& w, double v) { w.mutable_sampling()->set_repetition_penalty(v); }},
      {"sampling.presence_penalty",
       [](auto& w, double v) { w.mutable_sampling()->set_presence_penalty(v); }},
      {"sampling.frequency_penalty",
       [](auto& w, double v) { w.mutable_sampling()->set_frequency_penalty(v); }},
      {"sampling.logit_bias[3]",
       [](auto& w, double v) { (*w.mutable_sampling()->mutable_logit_bias())[3] = v; }},
      {"policies[x].y",
       [](auto& w, double v) {
         (*(*w.mutable_policies())["x"].mutable_values())["y"].set_number(v);
       }},
  };
  for (const auto& [field, set] : fields) {
    for (const double value : {std::nan(""), std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity()}) {
      v1::GenerateTextRequest wire = minimal();
      set(wire, value);
      expect_refused(wire, field);
    }
  }
}

TEST(RequestMapping, RequestIds) {
  for (const std::string& id :
       {std::string(""), std::string(129, 'a'), std::string("a b"), std::string("a\n"),
        std::string("\xc3\xa9"), std::string("a\0b", 3)}) {
    v1::GenerateTextRequest wire = minimal();
    wire.set_request_id(id);
    expect_refused(wire, "request_id");
  }
  v1::GenerateTextRequest wire = minimal();
  wire.set_request_id(std::string(128, '~'));
  EXPECT_TRUE(to_text_request(wire).ok());
}

TEST(RequestMapping, BrokenJson) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  for (const std::string& json : {std::string(""), std::string("{"), std::string("nonsense"),
                                  std::string("{} {}"), std::string("\"\\ud800\""), deep}) {
    v1::GenerateTextRequest wire;
    v1::Chat& chat = *wire.mutable_chat();
    chat.add_messages()->set_role("user");
    chat.set_tools_json(json);
    expect_refused(wire, "chat.tools_json");
    chat.clear_tools_json();
    chat.set_template_arguments_json(json);
    expect_refused(wire, "chat.template_arguments_json");
    chat.clear_template_arguments_json();
    chat.mutable_messages(0)->set_fields_json(json);
    expect_refused(wire, "chat.messages[0].fields_json");
  }
}

TEST(RequestMapping, JsonOfTheWrongKind) {
  v1::GenerateTextRequest wire;
  v1::Chat& chat = *wire.mutable_chat();
  chat.add_messages()->set_role("user");
  chat.set_tools_json("{}");
  expect_refused(wire, "chat.tools_json");
  chat.set_tools_json("[]");
  chat.set_template_arguments_json("[]");
  expect_refused(wire, "chat.template_arguments_json");
  chat.set_template_arguments_json("{}");
  chat.mutable_messages(0)->set_fields_json("[]");
  expect_refused(wire, "chat.messages[0].fields_json");
  chat.mutable_messages(0)->set_fields_json("{\"role\": \"system\"}");
  expect_refused(wire, "chat.messages[0].fields_json");
}

TEST(RequestMapping, PolicyWithoutValue) {
  v1::GenerateTextRequest wire = minimal();
  (*(*wire.mutable_policies())["x"].mutable_values())["y"];
  expect_refused(wire, "policies[x].y");
}

TEST(RequestMapping, FieldsOfANewerContract) {
  v1::GenerateTextRequest wire = minimal();
  wire.GetReflection()->MutableUnknownFields(&wire)->AddVarint(999, 1);
  EXPECT_EQ(to_text_request(wire).status().code(), absl::StatusCode::kUnimplemented);
  wire = minimal();
  v1::Sampling& sampling = *wire.mutable_sampling();
  sampling.GetReflection()->MutableUnknownFields(&sampling)->AddVarint(50, 1);
  expect_refused(wire, "sampling", absl::StatusCode::kUnimplemented);
  wire = minimal();
  v1::ChatMessage& message = *wire.mutable_chat()->add_messages();
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(50, 1);
  expect_refused(wire, "chat.messages", absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace tessera
