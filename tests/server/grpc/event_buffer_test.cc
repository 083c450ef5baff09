#include "server/grpc/event_buffer.h"

#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace tessera {
namespace {

Delta delta(int32_t output, const std::string& text, int32_t tokens = 1) {
  return {.output_index = output, .text = text, .tokens = {}, .token_count = tokens};
}

TEST(EventBuffer, JoinsWaitingDeltasOfAnOutput) {
  EventBuffer buffer(1 << 20);
  Delta first = delta(0, "a");
  first.tokens.push_back({.id = 7, .text = "a", .logprob = -1.f, .alternatives = {}});
  EXPECT_TRUE(buffer.push(first));
  EXPECT_TRUE(buffer.push(delta(1, "x")));
  Delta second = delta(0, "b", 2);
  second.tokens.push_back({.id = 8, .text = "b", .logprob = -2.f, .alternatives = {}});
  EXPECT_TRUE(buffer.push(second));
  EXPECT_EQ(buffer.size(), 2u);
  const Delta joined = std::get<Delta>(*buffer.pop());
  EXPECT_EQ(joined.text, "ab");
  EXPECT_EQ(joined.token_count, 3);
  ASSERT_EQ(joined.tokens.size(), 2u);
  EXPECT_EQ(joined.tokens[1].id, 8);
  EXPECT_EQ(std::get<Delta>(*buffer.pop()).text, "x");
  EXPECT_FALSE(buffer.pop().has_value());
  EXPECT_EQ(buffer.bytes(), 0u);
}

TEST(EventBuffer, RefusesDeltasBeyondItsBoundAndNothingElse) {
  EventBuffer buffer(10000);
  EXPECT_TRUE(buffer.push(delta(0, std::string(5000, 'a'))));
  EXPECT_FALSE(buffer.push(delta(0, std::string(6000, 'b'))));
  EXPECT_TRUE(buffer.push(Failed{absl::InternalError("x"), {}}));
  EXPECT_EQ(buffer.size(), 2u);
}

// Whatever the order of pushes and pops: each output's text comes out whole and in order, and its
// end after its text.
TEST(EventBuffer, KeepsEachOutputInOrder) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    EventBuffer buffer(1 << 20);
    std::map<int32_t, std::string> in, out;
    std::map<int32_t, int64_t> tokens_in, tokens_out;
    std::map<int32_t, bool> ended_in, ended_out;
    const auto take = [&] {
      std::optional<Event> event = buffer.pop();
      if (!event) return false;
      if (const Delta* d = std::get_if<Delta>(&*event)) {
        EXPECT_FALSE(ended_out[d->output_index]);
        out[d->output_index] += d->text;
        tokens_out[d->output_index] += d->token_count;
      } else {
        ended_out[std::get<Finished>(*event).output_index] = true;
      }
      return true;
    };
    for (int step = 0; step < 200; ++step) {
      const int32_t output = static_cast<int32_t>(random() % 4);
      if (random() % 3 == 0) {
        take();
      } else if (!ended_in[output]) {
        if (random() % 40 == 0) {
          ended_in[output] = true;
          Finished finished;
          finished.output_index = output;
          EXPECT_TRUE(buffer.push(finished));
        } else {
          const std::string text(random() % 5, static_cast<char>('a' + random() % 26));
          const auto count = static_cast<int32_t>(random() % 3);
          in[output] += text;
          tokens_in[output] += count;
          EXPECT_TRUE(buffer.push(delta(output, text, count)));
        }
      }
    }
    while (take()) {
    }
    for (int32_t output = 0; output < 4; ++output) {
      EXPECT_EQ(in[output], out[output]);
      EXPECT_EQ(tokens_in[output], tokens_out[output]);
      EXPECT_EQ(ended_in[output], ended_out[output]);
    }
    EXPECT_EQ(buffer.bytes(), 0u);
  }
}

}  // namespace
}  // namespace tessera
