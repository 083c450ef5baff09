#include "server/grpc/status_mapping.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

TEST(StatusMapping, CodesAreTheSame) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(static_cast<int>(to_grpc_status(status).error_code()), code);
    EXPECT_EQ(to_grpc_status(status).error_message(), "why");
  }
  EXPECT_TRUE(to_grpc_status(absl::OkStatus()).ok());
}

TEST(StatusMapping, BadRequestNamesTheField) {
  const auto field_sent = [](const absl::Status& status) {
    google::rpc::Status rich;
    google::rpc::BadRequest bad;
    EXPECT_TRUE(rich.ParseFromString(to_grpc_status(status).error_details()));
    if (rich.details_size() == 0 || !rich.details(0).UnpackTo(&bad)) return std::string();
    return bad.field_violations(0).field();
  };
  EXPECT_EQ(field_sent(field_error(absl::StatusCode::kUnimplemented, "chat.tools_json", "is new")),
            "chat.tools_json");
  EXPECT_EQ(field_sent(absl::InvalidArgumentError("sampling.top_p must be in (0, 1], found 2")),
            "sampling.top_p");
  EXPECT_EQ(field_sent(absl::InvalidArgumentError("policies[ngram].max_n: too large")),
            "policies[ngram].max_n");
  EXPECT_EQ(field_sent(absl::InvalidArgumentError("samplings are odd")), "");
  EXPECT_EQ(field_sent(absl::InvalidArgumentError("the prompt is empty")), "");
  EXPECT_EQ(field_sent(absl::InvalidArgumentError("")), "");
}

TEST(StatusMapping, FullQueueSaysWhenToTryAgain) {
  google::rpc::Status rich;
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(rich.ParseFromString(
      to_grpc_status(absl::ResourceExhaustedError("the queue is full")).error_details()));
  ASSERT_EQ(rich.details_size(), 1);
  ASSERT_TRUE(rich.details(0).UnpackTo(&retry));
  EXPECT_GT(retry.retry_delay().seconds(), 0);
}

TEST(StatusMapping, MessagesAreShortAndWellFormed) {
  EXPECT_EQ(sendable_message("plain"), "plain");
  EXPECT_EQ(sendable_message("caf\xc3\xa9 \xf0\x9f\x98\x80"), "caf\xc3\xa9 \xf0\x9f\x98\x80");
  EXPECT_EQ(sendable_message("a\xff"
                             "b\xc3"),
            "a?b?");
  EXPECT_EQ(sendable_message("\xed\xa0\x80"), "???");
  EXPECT_EQ(sendable_message("\xc0\xaf"), "??");
  const std::string longest = sendable_message(std::string(100000, 'x'));
  EXPECT_LE(longest.size(), 1000u);
  EXPECT_EQ(longest.substr(longest.size() - 3), "...");
}

}  // namespace
}  // namespace tessera
