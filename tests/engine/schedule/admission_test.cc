#include "engine/schedule/admission.h"

#include <gtest/gtest.h>

#include <string>

namespace tessera {
namespace {

TEST(Admission, TheQueueIsBoundedInRequestsAndTokens) {
  const QueueLoad load{.waiting = 10, .waiting_prompt_tokens = 5000};
  EXPECT_TRUE(check_queue(load, {.requests_max = 12}, 2, 100000).ok());
  const absl::Status full = check_queue(load, {.requests_max = 12}, 3, 1);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(full.message()).find("queue_requests_max = 12"), std::string::npos);
  EXPECT_TRUE(check_queue(load, {.requests_max = 99, .tokens_max = 5200}, 2, 100).ok());
  const absl::Status tokens = check_queue(load, {.requests_max = 99, .tokens_max = 5200}, 2, 101);
  EXPECT_EQ(tokens.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(tokens.message()).find("queue_tokens_max = 5200"), std::string::npos);
}

TEST(Admission, APromptThatCouldNeverFitIsRefused) {
  const KvCacheShape shape{.groups = {GroupSpec{}, GroupSpec{.window_tokens = 32}},
                           .blocks = {10, 12}};
  EXPECT_TRUE(check_prompt_fits(shape, 160, 16).ok());
  const absl::Status refused = check_prompt_fits(shape, 161, 16);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(refused.message()).find("11 KV blocks"), std::string::npos);
}

}  // namespace
}  // namespace tessera
