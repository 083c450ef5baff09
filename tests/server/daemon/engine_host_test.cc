// The life of a daemon, with a fake engine: loading, ready, unhealthy, draining, gone.
#include "server/engine_host.h"

#include <future>
#include <string>
#include <thread>

#include "fakes/fake_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kOk = 0, kCancelled = 1, kUnavailable = 14;

struct Daemon {
  FakeEngine* engine = nullptr;
  Frontend frontend{test_config(), nullptr};
  FakeDiffusionEngine* diffusion = nullptr;
  EngineHost host{{[this]() -> absl::StatusOr<AnyEngine> {
                     auto made = std::make_unique<FakeEngine>();
                     engine = made.get();
                     return AnyEngine(std::unique_ptr<Engine>(std::move(made)));
                   },
                   [this]() -> absl::StatusOr<AnyEngine> {
                     auto made = std::make_unique<FakeDiffusionEngine>();
                     diffusion = made.get();
                     return AnyEngine(std::unique_ptr<DiffusionEngine>(std::move(made)));
                   }},
                  frontend,
                  milliseconds(5)};
  ServiceList services;

  Daemon() {
    services.add(frontend);
    services.add(host);
    EXPECT_TRUE(services.start().ok());
  }
};

// Waits for what another thread brings about; a hang fails the test by its time limit.
void expect_health(int port, const std::string& name, HealthCheckResponse::ServingStatus status) {
  while (health(port, name) != status) std::this_thread::sleep_for(milliseconds(5));
}

TEST(EngineHost, HealthFollowsTheEngine) {
  Daemon daemon;
  const int port = daemon.frontend.port();
  EXPECT_EQ(health(port, ""), HealthCheckResponse::SERVING);
  daemon.engine->set_health(absl::InternalError("a step failed"));
  expect_health(port, "live", HealthCheckResponse::NOT_SERVING);
  expect_health(port, "", HealthCheckResponse::NOT_SERVING);
  daemon.engine->set_health(absl::OkStatus());
  expect_health(port, "", HealthCheckResponse::SERVING);
  expect_health(port, "live", HealthCheckResponse::SERVING);
}

TEST(EngineHost, HealthIsThatOfEveryEngine) {
  Daemon daemon;
  const int port = daemon.frontend.port();
  daemon.diffusion->set_health(absl::InternalError("a step failed"));
  expect_health(port, "live", HealthCheckResponse::NOT_SERVING);
  daemon.engine->set_health(absl::InternalError("another"));
  daemon.diffusion->set_health(absl::OkStatus());
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(health(port, "live"), HealthCheckResponse::NOT_SERVING);
  daemon.engine->set_health(absl::OkStatus());
  expect_health(port, "live", HealthCheckResponse::SERVING);
}

TEST(EngineHost, JobsFinishWhileItDrains) {
  Daemon daemon;
  const int port = daemon.frontend.port();
  daemon.diffusion->set_model(model_info("pictures", "class", 1));
  LiveDenoise call(port, image_request("r1"));
  ASSERT_TRUE(daemon.diffusion->wait_for_request("r1"));
  auto drained = std::async(
      std::launch::async, [&] { daemon.services.drain(Clock::now() + std::chrono::seconds(60)); });
  expect_health(port, "", HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(denoise(port, image_request("r2")).status.code, kUnavailable);
  daemon.diffusion->post("r1", JobResult{});
  drained.get();
  daemon.services.stop();
  EXPECT_EQ(call.finish().code, kOk);
}

TEST(EngineHost, LiveRequestsFinishWhileItDrains) {
  Daemon daemon;
  const int port = daemon.frontend.port();
  LiveCall call(port, prompt_request("r1", "p"));
  ASSERT_TRUE(daemon.engine->wait_for_request("r1"));
  auto drained = std::async(
      std::launch::async, [&] { daemon.services.drain(Clock::now() + std::chrono::seconds(60)); });
  expect_health(port, "", HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(generate(port, prompt_request("r2", "p")).status.code, kUnavailable);
  EXPECT_EQ(health(port, "live"), HealthCheckResponse::SERVING);
  say_hello(*daemon.engine, daemon.engine->requests().at(0));
  drained.get();
  daemon.services.stop();
  EXPECT_EQ(call.finish().code, kOk);
}

TEST(EngineHost, WhatDoesNotFinishInTimeIsCancelled) {
  Daemon daemon;
  LiveCall call(daemon.frontend.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(daemon.engine->wait_for_request("r1"));
  daemon.services.drain(Clock::now() + milliseconds(20));
  daemon.services.stop();
  std::optional<v1::GenerateTextEvent> last;
  while (auto event = call.read()) last = event;
  ASSERT_TRUE(last);
  EXPECT_EQ(last->failed().code(), kCancelled);
  EXPECT_EQ(call.finish().code, kCancelled);
}

TEST(EngineHost, AModelThatCannotBeLoadedStopsTheStart) {
  Frontend frontend(test_config(), nullptr);
  EngineHost host({[]() -> absl::StatusOr<AnyEngine> {
                     return AnyEngine(std::unique_ptr<Engine>(std::make_unique<FakeEngine>()));
                   },
                   []() -> absl::StatusOr<AnyEngine> {
                     return absl::NotFoundError("model_index.json: no such file");
                   }},
                  frontend);
  ServiceList services;
  services.add(frontend);
  services.add(host);
  EXPECT_THAT(std::string(services.start().message()), HasSubstr("model_index.json"));
}

}  // namespace
}  // namespace tessera
