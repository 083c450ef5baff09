#include "tools/client/event_json.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(EventJson, IsOneLineOfJson) {
  v1::GenerateTextEvent event;
  event.set_request_id("r");
  v1::TextDelta& delta = *event.mutable_delta();
  delta.set_output_index(1);
  delta.set_text("a\nb");
  delta.set_token_count(2);
  v1::TokenInfo& whole = *delta.add_tokens();
  whole.set_id(5);
  whole.set_text("a");
  whole.set_logprob(-0.5);
  whole.set_rank(1);
  v1::TokenInfo& part = *delta.add_tokens();
  part.set_text("\xe2\x82");
  part.add_alternatives()->set_id(6);
  const std::string line = event_json(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["event"], "delta");
  EXPECT_EQ(json["request_id"], "r");
  EXPECT_EQ(json["output_index"], 1);
  EXPECT_EQ(json["text"], "a\nb");
  EXPECT_EQ(json["tokens"][0]["text"], "a");
  EXPECT_EQ(json["tokens"][0]["logprob"], -0.5);
  EXPECT_EQ(json["tokens"][1]["bytes"], (std::vector<int>{0xe2, 0x82}));
  EXPECT_EQ(json["tokens"][1]["alternatives"][0]["id"], 6);
}

TEST(EventJson, EveryEventHasItsName) {
  v1::GenerateTextEvent event;
  const auto name = [&] { return nlohmann::json::parse(event_json(event))["event"]; };
  EXPECT_EQ(name(), "unknown");
  event.mutable_accepted()->set_seed(7);
  EXPECT_EQ(name(), "accepted");
  event.mutable_prompt()->add_prompt_logprobs();
  EXPECT_EQ(name(), "prompt");
  event.mutable_finished()->set_stop_text("x");
  EXPECT_EQ(name(), "finished");
  event.mutable_completed();
  EXPECT_EQ(name(), "completed");
  event.mutable_failed();
  EXPECT_EQ(name(), "failed");
}

}  // namespace
}  // namespace tessera
