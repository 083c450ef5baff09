#include "server/config/address.h"

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(Address, SplitsHostAndPort) {
  EXPECT_EQ(parse_address("127.0.0.1:50051")->host, "127.0.0.1");
  EXPECT_EQ(parse_address("127.0.0.1:50051")->port, 50051);
  EXPECT_EQ(parse_address("[::1]:0")->host, "::1");
  EXPECT_EQ(parse_address("a-host.example:65535")->port, 65535);
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text :
       {"", ":", "50051", "localhost", "localhost:", ":50051", "localhost:65536", "localhost:-1",
        "localhost:+1", "localhost: 1", "localhost:0x10", "::1:50051", "[::1:50051", "[x]:1",
        "a b:1", "unix:/tmp/socket", "localhost:99999999999999999999"}) {
    EXPECT_EQ(parse_address(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(Address, KnowsLoopback) {
  for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"})
    EXPECT_TRUE(is_loopback(*parse_address(text))) << text;
  // A name that looks like loopback may resolve to anything.
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.0.0.1.example.com:1", "*:1",
                           "127.1:1", "[::ffff:10.0.0.1]:1"}) {
    const auto address = parse_address(text);
    EXPECT_TRUE(!address.ok() || !is_loopback(*address)) << text;
  }
}

}  // namespace
}  // namespace tessera
