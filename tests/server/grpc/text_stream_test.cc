// The rules of a call, through a real socket.
#include <future>
#include <set>
#include <string>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/grpc/call_stream.h"
#include "server/grpc/test_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

using Kind = v1::GenerateTextEvent::EventCase;
using std::chrono::milliseconds;

enum Code {
  kOk = 0,
  kCancelled = 1,
  kInvalid = 3,
  kDeadline = 4,
  kExists = 6,
  kExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14
};

std::vector<Kind> kinds(const CallResult& result) {
  std::vector<Kind> kinds;
  for (const auto& event : result.events) {
    // Deltas may be joined, so their number says nothing.
    if (!kinds.empty() && kinds.back() == Kind::kDelta && event.event_case() == Kind::kDelta)
      continue;
    kinds.push_back(event.event_case());
  }
  return kinds;
}

TEST(TextStream, EventsInOrderAndEchoed) {
  TestServer server;
  server.engine.answer = say_hello;
  const CallResult result = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(result.status.code, kOk);
  EXPECT_EQ(kinds(result), (std::vector<Kind>{Kind::kAccepted, Kind::kPrompt, Kind::kDelta,
                                              Kind::kFinished, Kind::kCompleted}));
  for (const auto& event : result.events) EXPECT_EQ(event.request_id(), "r1");
  EXPECT_EQ(result.text(), "Hello world");
  int32_t tokens = 0;
  for (const auto& event : result.events) tokens += event.delta().token_count();
  EXPECT_EQ(tokens, 3);
  EXPECT_EQ(result.events[0].accepted().model(), "fake");
  EXPECT_EQ(result.events[1].prompt().cached_tokens(), 1);
  EXPECT_EQ(result.events[result.events.size() - 2].finished().stop_text(), "!");
  const v1::TextCompleted& last = result.events.back().completed();
  EXPECT_EQ(last.usage().completion_tokens(), 3);
  EXPECT_EQ(last.timings().queue_seconds(), 0.5);
  EXPECT_EQ(last.timings().preemptions(), 2);
}

TEST(TextStream, IdAndSeedAreMadeWhereAbsent) {
  TestServer server;
  server.engine.answer = say_hello;
  v1::GenerateTextRequest request;
  request.set_prompt("p");
  std::set<std::string> ids;
  std::set<uint64_t> seeds;
  for (int call = 0; call < 8; ++call) {
    const CallResult result = generate(server.port(), request);
    EXPECT_EQ(result.status.code, kOk);
    ids.insert(result.events[0].request_id());
    seeds.insert(result.events[0].accepted().seed());
  }
  EXPECT_EQ(ids.size(), 8u);
  EXPECT_EQ(ids.count(""), 0u);
  EXPECT_EQ(seeds.size(), 8u);
  for (const TextRequest& asked : server.engine.requests())
    EXPECT_TRUE(seeds.count(asked.sampling.seed.value()));
  request.mutable_sampling()->set_seed(0);
  EXPECT_EQ(generate(server.port(), request).events[0].accepted().seed(), 0u);
}

TEST(TextStream, RefusalIsAStatusWithoutEvents) {
  TestServer server;
  server.engine.check = [](const TextRequest&) {
    return absl::InvalidArgumentError("sampling.top_p must be in (0, 1], found 7");
  };
  const CallResult result = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(result.status.code, kInvalid);
  EXPECT_EQ(result.status.message, "sampling.top_p must be in (0, 1], found 7");
  EXPECT_TRUE(result.events.empty());
  google::rpc::Status rich;
  google::rpc::BadRequest bad;
  ASSERT_TRUE(rich.ParseFromString(result.status.details));
  ASSERT_TRUE(rich.details(0).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "sampling.top_p");
  EXPECT_EQ(server.refused(), (std::vector<absl::StatusCode>{absl::StatusCode::kInvalidArgument}));
}

TEST(TextStream, EveryRefusalKeepsItsCode) {
  TestServer server;
  absl::Status answer;
  server.engine.check = [&](const TextRequest&) { return answer; };
  for (int code = 1; code <= 16; ++code) {
    answer = absl::Status(static_cast<absl::StatusCode>(code), "because");
    EXPECT_EQ(generate(server.port(), prompt_request("r", "p")).status.code, code);
  }
}

TEST(TextStream, FailureAfterAcceptanceIsAnEventAndThenTheStatus) {
  TestServer server;
  server.engine.answer = [](FakeEngine& engine, const TextRequest& request) {
    engine.post(request.id, Delta{.output_index = 0, .text = "He", .tokens = {}, .token_count = 1});
    engine.post(request.id, Failed{absl::InternalError("a step failed"), {.prompt_tokens = 6}});
  };
  const CallResult result = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(kinds(result), (std::vector<Kind>{Kind::kAccepted, Kind::kDelta, Kind::kFailed}));
  const v1::Failed& failed = result.events.back().failed();
  EXPECT_EQ(failed.code(), kInternal);
  EXPECT_EQ(failed.message(), "a step failed");
  EXPECT_EQ(failed.usage().prompt_tokens(), 6);
  EXPECT_EQ(result.status.code, kInternal);
  EXPECT_EQ(result.status.message, "a step failed");
}

TEST(TextStream, LiveIdIsRefusedAndAnEndedOneIsFree) {
  TestServer server;
  LiveCall first(server.port(), prompt_request("same", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("same"));
  EXPECT_EQ(generate(server.port(), prompt_request("same", "p")).status.code, kExists);
  server.engine.post("same", Completed{});
  EXPECT_EQ(first.finish().code, kOk);
  LiveCall second(server.port(), prompt_request("same", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("same"));
  server.engine.post("same", Completed{});
  EXPECT_EQ(second.finish().code, kOk);
}

TEST(TextStream, ClientThatLeavesCancels) {
  TestServer server;
  {
    LiveCall call(server.port(), prompt_request("r1", "p"));
    ASSERT_EQ(call.read()->event_case(), Kind::kAccepted);
    call.cancel();
    EXPECT_EQ(call.finish().code, kCancelled);
  }
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
  EXPECT_TRUE(server.engine.wait_until_idle());
  // The engine is told once.
  EXPECT_EQ(server.engine.cancelled().size(), 1u);
}

TEST(TextStream, ClientThatLeavesDuringAdmissionCancels) {
  TestServer server;
  std::promise<void> inside, proceed;
  server.engine.check = [&](const TextRequest&) {
    inside.set_value();
    proceed.get_future().wait();
    return absl::OkStatus();
  };
  LiveCall call(server.port(), prompt_request("r1", "p"));
  inside.get_future().wait();
  call.cancel();
  EXPECT_EQ(call.finish().code, kCancelled);
  proceed.set_value();
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
}

TEST(TextStream, AnEndedRequestIsNeverCancelled) {
  TestServer server;
  server.engine.answer = say_hello;
  for (int call = 0; call < 50; ++call) {
    LiveCall live(server.port(), prompt_request("same", "p"));
    while (auto event = live.read()) {
      if (event->event_case() == Kind::kCompleted) break;
    }
    live.cancel();
    live.finish();
  }
  EXPECT_TRUE(server.engine.cancelled().empty());
}

TEST(TextStream, DeadlineReachesTheEngineAndEndsTheCall) {
  TestServer server;
  const auto before = std::chrono::steady_clock::now();
  LiveCall call(server.port(), prompt_request("r1", "p"), milliseconds(300));
  EXPECT_EQ(call.finish().code, kDeadline);
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
  const auto deadline = server.engine.requests().at(0).deadline;
  ASSERT_TRUE(deadline.has_value());
  EXPECT_GT(*deadline, before);
  EXPECT_LT(*deadline, before + std::chrono::seconds(30));
}

TEST(TextStream, NoDeadlineIsNoDeadline) {
  TestServer server;
  server.engine.answer = say_hello;
  generate(server.port(), prompt_request("r1", "p"));
  EXPECT_FALSE(server.engine.requests().at(0).deadline.has_value());
}

TEST(TextStream, DeadlineFoundByTheEngine) {
  TestServer server;
  server.engine.answer = [](FakeEngine& engine, const TextRequest& request) {
    engine.post(request.id, Failed{absl::DeadlineExceededError("in the queue"), {}});
  };
  const CallResult result = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(result.events.back().failed().code(), kDeadline);
  EXPECT_EQ(result.status.code, kDeadline);
}

// The engine says far more than a slow client takes: nothing blocks the engine, deltas are joined,
// and not a byte is lost.
TEST(TextStream, SlowReaderGetsFewerAndLargerDeltas) {
  TestServer server;
  LiveCall call(server.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(call.read());
  ASSERT_TRUE(server.engine.wait_for_request("r1"));
  constexpr int kDeltas = 20000;
  const std::string piece(100, 'x');
  for (int delta = 0; delta < kDeltas; ++delta)
    server.engine.post("r1",
                       Delta{.output_index = 0, .text = piece, .tokens = {}, .token_count = 1});
  server.engine.post("r1", Completed{});
  size_t bytes = 0;
  int messages = 0, tokens = 0;
  while (auto event = call.read()) {
    if (event->event_case() != Kind::kDelta) continue;
    bytes += event->delta().text().size();
    tokens += event->delta().token_count();
    ++messages;
  }
  EXPECT_EQ(call.finish().code, kOk);
  EXPECT_EQ(bytes, piece.size() * kDeltas);
  EXPECT_EQ(tokens, kDeltas);
  EXPECT_LT(messages, kDeltas / 2);
}

TEST(TextStream, ReaderThatStopsIsDropped) {
  ServerConfig config = test_config();
  config.stall_seconds = 0.2;
  config.stream_buffer_bytes = 256 << 20;
  TestServer server(config);
  LiveCall call(server.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("r1"));
  // More than any socket and flow-control window holds.
  for (int delta = 0; delta < 64; ++delta)
    server.engine.post(
        "r1",
        Delta{
            .output_index = 0, .text = std::string(1 << 20, 'x'), .tokens = {}, .token_count = 1});
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
  EXPECT_EQ(call.finish().code, kCancelled);
}

TEST(TextStream, ReaderTooSlowForTheBufferIsDropped) {
  ServerConfig config = test_config();
  config.stream_buffer_bytes = 65536;
  TestServer server(config);
  LiveCall call(server.port(), prompt_request("r1", "p"));
  ASSERT_TRUE(server.engine.wait_for_request("r1"));
  server.engine.post(
      "r1",
      Delta{.output_index = 0, .text = std::string(1 << 20, 'x'), .tokens = {}, .token_count = 1});
  EXPECT_TRUE(server.engine.wait_for_cancel("r1"));
  std::optional<v1::GenerateTextEvent> last;
  while (auto event = call.read()) last = event;
  ASSERT_TRUE(last);
  EXPECT_EQ(last->failed().code(), kExhausted);
  EXPECT_EQ(call.finish().code, kExhausted);
}

TEST(TextStream, LargeEventsStayBelowTheMessageLimit) {
  TestServer server;
  server.engine.answer = [](FakeEngine& engine, const TextRequest& request) {
    PromptProcessed prompt{.prompt_tokens = 50000, .cached_tokens = 0, .prompt_logprobs = {}};
    for (int32_t id = 0; id < 50000; ++id) {
      TokenInfo info{.id = id, .text = "token", .logprob = -1.f, .rank = 1, .alternatives = {}};
      for (int32_t other = 0; other < 5; ++other)
        info.alternatives.push_back({.id = other, .text = "other", .logprob = -2.f});
      prompt.prompt_logprobs.push_back(std::move(info));
    }
    engine.post(request.id, std::move(prompt));
    engine.post(
        request.id,
        Delta{
            .output_index = 0, .text = std::string(3 << 20, 'y'), .tokens = {}, .token_count = 1});
    engine.post(request.id, Completed{});
  };
  const CallResult result = generate(server.port(), prompt_request("r1", "p"));
  EXPECT_EQ(result.status.code, kOk);
  int32_t next = 0;
  for (const auto& event : result.events) {
    EXPECT_LE(event.ByteSizeLong(), 1u << 20);
    for (const v1::TokenInfo& info : event.prompt().prompt_logprobs()) EXPECT_EQ(info.id(), next++);
  }
  EXPECT_EQ(next, 50000);
  EXPECT_EQ(result.text().size(), 3u << 20);
}

// Many calls at once, some of which leave: every call ends, and with the text that is its own.
TEST(TextStream, ManyCallsAtOnce) {
  TestServer server;
  server.engine.answer = [](FakeEngine& engine, const TextRequest& request) {
    for (int delta = 0; delta < 20; ++delta)
      engine.post(request.id, Delta{.output_index = delta % 3,
                                    .text = std::get<std::string>(request.input),
                                    .tokens = {},
                                    .token_count = 1});
    engine.post(request.id, Completed{});
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&server, thread] {
      for (int call = 0; call < 25; ++call) {
        const std::string name = std::to_string(thread) + "." + std::to_string(call);
        if (call % 5 == 4) {
          LiveCall live(server.port(), prompt_request(name, name));
          live.read();
          live.cancel();
          continue;
        }
        const CallResult result = generate(server.port(), prompt_request(name, name));
        EXPECT_EQ(result.status.code, kOk);
        std::string expected;
        for (int delta = 0; delta < 20; ++delta) expected += name;
        EXPECT_EQ(result.text(), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tessera
