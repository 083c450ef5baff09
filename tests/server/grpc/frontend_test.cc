#include "server/grpc/frontend.h"

#include <future>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/test_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr int kOk = 0, kCancelled = 1, kUnavailable = 14;

TEST(Frontend, HealthBeforeDuringAndAfter) {
  TestServer server(test_config(), /*opens=*/false);
  EXPECT_EQ(health(server.port(), "live"), HealthCheckResponse::SERVING);
  EXPECT_EQ(health(server.port(), ""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(health(server.port(), "tessera.v1.Generation"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(health(server.port(), "else"), HealthCheckResponse::SERVICE_UNKNOWN);
  const CallResult early = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(early.status.code, kUnavailable);
  EXPECT_THAT(early.status.message, HasSubstr("loading"));

  server.open();
  EXPECT_EQ(health(server.port(), ""), HealthCheckResponse::SERVING);
  EXPECT_EQ(health(server.port(), "tessera.v1.Generation"), HealthCheckResponse::SERVING);

  server.frontend.close("the server is shutting down");
  EXPECT_EQ(health(server.port(), ""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(health(server.port(), "live"), HealthCheckResponse::SERVING);
  const CallResult late = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(late.status.code, kUnavailable);
  EXPECT_THAT(late.status.message, HasSubstr("shutting down"));
}

TEST(Frontend, WatchersLearnOfChangesAndDoNotHoldUpTheEnd) {
  TestServer server(test_config(), /*opens=*/false);
  HealthWatcher ready(server.port(), "");
  HealthWatcher unknown(server.port(), "else");
  EXPECT_EQ(ready.next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(unknown.next(), HealthCheckResponse::SERVICE_UNKNOWN);
  server.open();
  EXPECT_EQ(ready.next(), HealthCheckResponse::SERVING);
  server.frontend.close("closing");
  EXPECT_EQ(ready.next(), HealthCheckResponse::NOT_SERVING);
  server.frontend.stop();
  EXPECT_FALSE(ready.next().has_value());
}

TEST(Frontend, LiveCallsEndWhileItDrains) {
  TestServer server;
  LiveCall call(server.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("r1"));
  server.frontend.drain(Clock::now());
  EXPECT_EQ(generate(server.port(), prompt_request("r2", "p")).status.code, kUnavailable);
  say_hello(server.engine, server.engine.requests().at(0));
  server.frontend.detach(Clock::now() + std::chrono::seconds(60));
  EXPECT_EQ(call.finish().code, kOk);
}

TEST(Frontend, DetachDropsWhatIsLeft) {
  TestServer server;
  LiveCall call(server.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("r1"));
  server.frontend.detach(Clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(server.frontend.live_streams(), 0u);
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
  EXPECT_EQ(call.finish().code, kCancelled);
}

TEST(Frontend, UsedPortIsOneSentence) {
  TestServer first;
  ServerConfig config = test_config();
  config.grpc_address = "127.0.0.1:" + std::to_string(first.port());
  Frontend second(config, nullptr);
  const absl::Status status = second.start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "cannot listen on " + config.grpc_address +
                                  " (server.grpc_address): another program listens there");
  config.grpc_address = "192.0.2.1:0";
  Frontend foreign(config, nullptr);
  EXPECT_THAT(std::string(foreign.start().message()), HasSubstr("192.0.2.1:0"));
}

TEST(Frontend, ReflectionListsTheServices) {
  TestServer server;
  // ServerReflectionRequest{list_services: ""}
  const RawResult result =
      raw_call(server.port(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
               std::string("\x3a\x00", 2));
  EXPECT_EQ(result.status.code, kOk);
  EXPECT_THAT(result.replies, HasSubstr("tessera.v1.Generation"));
  EXPECT_THAT(result.replies, HasSubstr("grpc.health.v1.Health"));
}

}  // namespace
}  // namespace tessera
