// The rules of a call of a diffusion model, through a real socket.
#include <map>
#include <set>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

using Kind = v1::DenoiseEvent::EventCase;
using std::chrono::milliseconds;
using testing::HasSubstr;

enum Code { kOk = 0, kCancelled = 1, kInvalid = 3, kDeadline = 4, kExists = 6, kInternal = 13 };

// Steps and positions may be left out for a slow reader, so only their order among others is told.
std::vector<Kind> kinds(const DenoiseResult& result) {
  std::vector<Kind> kinds;
  for (const auto& event : result.events) {
    if (kinds.empty() || kinds.back() != event.event_case()) kinds.push_back(event.event_case());
  }
  return kinds;
}

TEST(DenoiseStream, ImageInOrderAndEchoed) {
  DiffusionServer server;
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {2, 3, 8, 8});
  };
  const DenoiseResult result = denoise(server.port(), image_request("r1"));
  EXPECT_EQ(result.status.code, kOk) << result.status.message;
  EXPECT_EQ(kinds(result), (std::vector<Kind>{Kind::kAccepted, Kind::kQueued, Kind::kStep,
                                              Kind::kResult, Kind::kCompleted}));
  for (const auto& event : result.events) EXPECT_EQ(event.request_id(), "r1");
  EXPECT_EQ(result.events[0].accepted().model(), "pictures");
  EXPECT_EQ(result.events.back().completed().timings().queue_seconds(), 0.5);
  int pictures = 0;
  for (const auto& event : result.events) pictures += event.has_result();
  EXPECT_EQ(pictures, 2);
}

TEST(DenoiseStream, VideoAndActionsGoToTheirModels) {
  DiffusionServer server;
  server.videos.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 3, 3, 8, 8});
  };
  server.arm.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 4, 2});
  };
  auto video = video_request("v", "a ball rolls");
  video.set_frames(3);
  const DenoiseResult frames = denoise(server.port(), video);
  EXPECT_EQ(frames.status.code, kOk) << frames.status.message;
  std::set<int> seen;
  for (const auto& event : frames.events)
    if (event.has_result()) seen.insert(event.result().frame());
  EXPECT_EQ(seen, (std::set<int>{0, 1, 2}));
  EXPECT_EQ(server.videos.requests().at(0).frames, 3);

  const DenoiseResult actions = denoise(server.port(), action_request("a"));
  EXPECT_EQ(actions.status.code, kOk) << actions.status.message;
  const auto& told = actions.events.at(actions.events.size() - 2);
  EXPECT_EQ(told.actions().values().values_size(), 8);
  EXPECT_EQ(actions.events.back().event_case(), Kind::kCompleted);
}

TEST(DenoiseStream, SeedAndIdAreMadeWhereAbsent) {
  DiffusionServer server;
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 3, 1, 1});
  };
  v1::GenerateImageRequest request = image_request("");
  request.clear_request_id();
  std::set<std::string> ids;
  std::set<uint64_t> seeds;
  for (int call = 0; call < 4; ++call) {
    const DenoiseResult result = denoise(server.port(), request);
    ids.insert(result.events.at(0).request_id());
    seeds.insert(result.events.at(0).accepted().seed());
  }
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(seeds.size(), 4u);
  for (const DiffusionRequest& asked : server.pictures.requests())
    EXPECT_TRUE(seeds.count(asked.seed.value()));
  request.mutable_denoising()->set_seed(0);
  EXPECT_EQ(denoise(server.port(), request).events.at(0).accepted().seed(), 0u);
}

TEST(DenoiseStream, ResultsLargerThanAMessageArriveWhole) {
  DiffusionServer server;
  const int64_t side = 900;
  server.pictures.answer = [&](auto& engine, const DiffusionRequest& request) {
    JobResult result;
    result.values.shape = {2, 3, side, side};
    for (int64_t at = 0; at < 2 * 3 * side * side; ++at)
      result.values.values.push_back(static_cast<float>(at));
    engine.post(request.id, std::move(result));
  };
  auto request = image_request("r1");
  request.mutable_output()->set_png(false);
  const DenoiseResult result = denoise(server.port(), request);
  EXPECT_EQ(result.status.code, kOk);
  std::map<int, std::string> tensors;
  for (const auto& event : result.events) {
    EXPECT_LE(event.ByteSizeLong(), 1u << 20);
    tensors[event.result().sample()] += event.result().data();
  }
  ASSERT_EQ(tensors[1].size(), sizeof(float) * 3 * side * side);
  float last;
  std::memcpy(&last, tensors[1].data() + tensors[1].size() - sizeof last, sizeof last);
  EXPECT_EQ(last, static_cast<float>(2 * 3 * side * side - 1));
}

TEST(DenoiseStream, RefusalHasThePathOfTheField) {
  DiffusionServer server;
  server.pictures.check = [](const DiffusionRequest&) {
    return absl::InvalidArgumentError("steps is 0, must be in [1, 1000]");
  };
  const DenoiseResult result = denoise(server.port(), image_request("r1"));
  EXPECT_EQ(result.status.code, kInvalid);
  EXPECT_EQ(result.status.message, "denoising.steps is 0, must be in [1, 1000]");
  EXPECT_TRUE(result.events.empty());
  google::rpc::Status rich;
  google::rpc::BadRequest bad;
  ASSERT_TRUE(rich.ParseFromString(result.status.details));
  ASSERT_TRUE(rich.details(0).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "denoising.steps");
  EXPECT_EQ(server.refused().at(0), (std::pair<std::string, absl::StatusCode>{
                                        "pictures", absl::StatusCode::kInvalidArgument}));
}

TEST(DenoiseStream, FailureAfterAcceptanceIsAnEventAndThenTheStatus) {
  DiffusionServer server;
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    engine.post(request.id, JobStep{1, 2, 0});
    engine.post(request.id, JobFailed{absl::InternalError("a step failed")});
  };
  const DenoiseResult result = denoise(server.port(), image_request("r1"));
  EXPECT_EQ(result.events.back().failed().code(), kInternal);
  EXPECT_EQ(result.status.code, kInternal);
  EXPECT_EQ(result.status.message, "a step failed");
}

TEST(DenoiseStream, ClientThatLeavesCancelsOnce) {
  DiffusionServer server;
  {
    LiveDenoise call(server.port(), image_request("r1"));
    ASSERT_EQ(call.read()->event_case(), Kind::kAccepted);
    server.pictures.post("r1", JobStep{1, 1000, 0});
    ASSERT_EQ(call.read()->event_case(), Kind::kStep);
    call.cancel();
    EXPECT_EQ(call.finish().code, kCancelled);
  }
  EXPECT_TRUE(server.pictures.wait_for_cancel("r1"));
  EXPECT_TRUE(server.pictures.wait_until_idle());
  EXPECT_EQ(server.pictures.cancelled().size(), 1u);
}

TEST(DenoiseStream, DeadlineReachesTheEngineAndEndsTheCall) {
  DiffusionServer server;
  const auto before = std::chrono::steady_clock::now();
  LiveDenoise call(server.port(), image_request("r1"), milliseconds(300));
  EXPECT_EQ(call.finish().code, kDeadline);
  EXPECT_TRUE(server.pictures.wait_for_cancel("r1"));
  const auto deadline = server.pictures.requests().at(0).deadline;
  ASSERT_TRUE(deadline.has_value());
  EXPECT_GT(*deadline, before);
  EXPECT_LT(*deadline, before + std::chrono::seconds(30));
}

TEST(DenoiseStream, LiveIdIsRefused) {
  DiffusionServer server;
  LiveDenoise first(server.port(), image_request("same"));
  ASSERT_TRUE(server.pictures.wait_for_request("same"));
  EXPECT_EQ(denoise(server.port(), image_request("same")).status.code, kExists);
  server.pictures.post("same", JobResult{});
  EXPECT_EQ(first.finish().code, kOk);
}

// The engine says far more than a slow client takes: nothing blocks it, and the result is not lost.
TEST(DenoiseStream, SlowReaderGetsTheNewestStepAndTheResult) {
  DiffusionServer server;
  LiveDenoise call(server.port(), image_request("r1"));
  ASSERT_TRUE(call.read());
  ASSERT_TRUE(server.pictures.wait_for_request("r1"));
  constexpr int32_t kSteps = 20000;
  for (int32_t step = 1; step <= kSteps; ++step)
    server.pictures.post("r1", JobStep{step, kSteps, 0});
  JobResult picture;
  picture.values = {{1, 3, 2, 2}, std::vector<float>(12)};
  server.pictures.post("r1", std::move(picture));
  int32_t last = 0;
  int messages = 0, results = 0;
  while (auto event = call.read()) {
    results += event->has_result();
    if (!event->has_step()) continue;
    EXPECT_GT(event->step().step(), last);
    last = event->step().step();
    ++messages;
  }
  EXPECT_EQ(call.finish().code, kOk);
  EXPECT_EQ(last, kSteps);
  EXPECT_LT(messages, kSteps);
  EXPECT_EQ(results, 1);
}

TEST(DenoiseStream, ReaderThatStopsIsDropped) {
  ServerConfig config = test_config();
  config.stall_seconds = 0.2;
  DiffusionServer server(config);
  auto request = image_request("r1");
  request.mutable_output()->set_png(false);
  LiveDenoise call(server.port(), request);
  ASSERT_TRUE(server.pictures.wait_for_request("r1"));
  // More than any socket and flow-control window holds.
  JobResult result;
  result.values = {{64, 3, 300, 300}, std::vector<float>(64 * 3 * 300 * 300)};
  server.pictures.post("r1", std::move(result));
  while (server.frontend.live_streams() > 0) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(call.finish().code, kCancelled);
}

// Text and pictures side by side: each gets its own, whoever leaves.
TEST(DenoiseStream, TwoKindsOfEnginesAtOnce) {
  DiffusionServer server;
  server.text.answer = say_hello;
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 3, 8, 8});
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&server, thread] {
      for (int call = 0; call < 20; ++call) {
        const std::string id = std::to_string(thread) + "." + std::to_string(call);
        if (thread % 2 == 0) {
          EXPECT_EQ(generate(server.port(), prompt_request(id, "p")).text(), "Hello world");
        } else if (call % 5 == 4) {
          LiveDenoise live(server.port(), image_request(id));
          live.read();
          live.cancel();
        } else {
          const DenoiseResult result = denoise(server.port(), image_request(id));
          EXPECT_EQ(result.status.code, kOk);
          EXPECT_EQ(result.events.back().request_id(), id);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(server.text.wait_until_idle());
}

TEST(DenoiseStream, DetachDropsWhatIsLeft) {
  DiffusionServer server;
  LiveDenoise call(server.port(), image_request("r1"));
  ASSERT_TRUE(server.pictures.wait_for_request("r1"));
  server.frontend.detach(std::chrono::steady_clock::now() + milliseconds(50));
  EXPECT_EQ(server.frontend.live_streams(), 0u);
  EXPECT_TRUE(server.pictures.wait_for_cancel("r1"));
  EXPECT_EQ(call.finish().code, kCancelled);
}

TEST(DenoiseStream, AModelWithoutDecoderMakesLatents) {
  DiffusionServer server;
  DiffusionModelInfo bare = model_info("bare", "class", 1);
  bare.has_decoder = false;
  server.pictures.set_model(bare);
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 4, 2, 2});
  };
  const DenoiseResult pixels = denoise(server.port(), image_request("r1"));
  EXPECT_EQ(pixels.status.code, kInvalid);
  EXPECT_THAT(pixels.status.message, HasSubstr("output.latents must be true"));
  auto request = image_request("r1");
  request.mutable_output()->set_latents(true);
  const DenoiseResult latents = denoise(server.port(), request);
  EXPECT_EQ(latents.status.code, kOk);
  EXPECT_TRUE(server.pictures.requests().at(0).latents_only);
}

}  // namespace
}  // namespace tessera
