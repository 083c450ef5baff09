#include "server/grpc/event_mapping.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

constexpr size_t kMessageMax = 1 << 20;

std::vector<v1::GenerateTextEvent> wire(Event event) {
  WireEvents events("r1");
  events.load(std::move(event));
  std::vector<v1::GenerateTextEvent> messages;
  while (!events.done()) {
    events.next(messages.emplace_back());
    EXPECT_EQ(messages.back().request_id(), "r1");
    EXPECT_LE(messages.back().ByteSizeLong(), kMessageMax);
  }
  return messages;
}

TokenInfo token(int32_t id, int alternatives) {
  TokenInfo info{.id = id, .text = "\xe2\x82", .logprob = -0.5f, .rank = 2, .alternatives = {}};
  for (int other = 0; other < alternatives; ++other)
    info.alternatives.push_back({.id = other, .text = "\xff", .logprob = -1.f * other});
  return info;
}

TEST(EventMapping, FieldsArrive) {
  Delta delta{.output_index = 3, .text = "caf\xc3\xa9", .tokens = {token(9, 2)}, .token_count = 1};
  const auto messages = wire(delta);
  ASSERT_EQ(messages.size(), 1u);
  const v1::TextDelta& out = messages[0].delta();
  EXPECT_EQ(out.output_index(), 3);
  EXPECT_EQ(out.text(), "caf\xc3\xa9");
  EXPECT_EQ(out.token_count(), 1);
  ASSERT_EQ(out.tokens_size(), 1);
  EXPECT_EQ(out.tokens(0).id(), 9);
  EXPECT_EQ(out.tokens(0).text(), "\xe2\x82");
  EXPECT_EQ(out.tokens(0).logprob(), -0.5f);
  EXPECT_EQ(out.tokens(0).rank(), 2);
  EXPECT_EQ(out.tokens(0).alternatives(1).logprob(), -1.f);
}

TEST(EventMapping, AbsentStaysAbsent) {
  TokenInfo bare;
  bare.id = 1;
  const auto messages =
      wire(Delta{.output_index = 0, .text = "", .tokens = {bare}, .token_count = 1});
  EXPECT_FALSE(messages[0].delta().tokens(0).has_logprob());
  EXPECT_FALSE(messages[0].delta().tokens(0).has_rank());
  Finished end;
  end.reason = FinishReason::kLength;
  const auto finished = wire(end);
  EXPECT_EQ(finished[0].finished().reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(finished[0].finished().match_case(), v1::TextFinished::MATCH_NOT_SET);
  const auto prompt =
      wire(PromptProcessed{.prompt_tokens = 5, .cached_tokens = 0, .prompt_logprobs = {}});
  EXPECT_EQ(prompt.size(), 1u);
  EXPECT_TRUE(prompt[0].prompt().has_cached_tokens());
  EXPECT_FALSE(prompt[0].prompt().has_logprobs_begin());
}

TEST(EventMapping, LargePromptLogprobsAreCutAndNothingIsLost) {
  PromptProcessed prompt{.prompt_tokens = 20000, .cached_tokens = 0, .prompt_logprobs = {}};
  for (int32_t id = 0; id < 20000; ++id) prompt.prompt_logprobs.push_back(token(id, 20));
  const auto messages = wire(prompt);
  EXPECT_GT(messages.size(), 1u);
  int32_t next = 0;
  for (const auto& message : messages) {
    EXPECT_EQ(message.prompt().prompt_tokens(), 20000);
    EXPECT_EQ(message.prompt().logprobs_begin(), next);
    for (const v1::TokenInfo& info : message.prompt().prompt_logprobs())
      EXPECT_EQ(info.id(), next++);
  }
  EXPECT_EQ(next, 20000);
}

TEST(EventMapping, LargeDeltasAreCutBetweenCodePoints) {
  for (const size_t shift : {0, 1, 2, 3}) {
    Delta delta{
        .output_index = 2, .text = std::string(shift, 'a'), .tokens = {}, .token_count = 77};
    while (delta.text.size() < 3 * kMessageMax) delta.text += "\xf0\x9f\x98\x80";
    for (int32_t id = 0; id < 5000; ++id) delta.tokens.push_back(token(id, 20));
    const std::string text = delta.text;
    const auto messages = wire(delta);
    std::string joined;
    int32_t count = 0, tokens = 0;
    for (const auto& message : messages) {
      const std::string& part = message.delta().text();
      if (!part.empty()) {
        EXPECT_NE(static_cast<unsigned char>(part[0]) & 0xc0, 0x80) << "a part begins inside";
      }
      EXPECT_EQ(message.delta().output_index(), 2);
      joined += part;
      count += message.delta().token_count();
      for (const v1::TokenInfo& info : message.delta().tokens()) EXPECT_EQ(info.id(), tokens++);
    }
    EXPECT_EQ(joined, text);
    EXPECT_EQ(count, 77);
    EXPECT_EQ(tokens, 5000);
  }
}

TEST(EventMapping, FailureKeepsCodeAndUsage) {
  const auto messages =
      wire(Failed{absl::ResourceExhaustedError("full \xff"), {.prompt_tokens = 4}});
  EXPECT_EQ(messages[0].failed().code(), 8);
  EXPECT_EQ(messages[0].failed().message(), "full ?");
  EXPECT_EQ(messages[0].failed().usage().prompt_tokens(), 4);
}

}  // namespace
}  // namespace tessera
