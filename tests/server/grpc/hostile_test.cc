// Requests no honest client sends: each gets a status, and the server goes on.
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "server/grpc/test_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

const char kMethod[] = "/tessera.v1.Generation/GenerateText";
constexpr int kOk = 0, kInvalid = 3, kExhausted = 8, kUnimplemented = 12;

void expect_still_works(TestServer& server) {
  EXPECT_EQ(generate(server.port(), prompt_request("after", "p")).status.code, kOk);
}

TEST(Hostile, OversizedMessage) {
  TestServer server;
  server.engine.answer = say_hello;
  EXPECT_EQ(
      generate(server.port(), prompt_request("r", std::string((1 << 20) + 1, 'x'))).status.code,
      kExhausted);
  EXPECT_EQ(
      generate(server.port(), prompt_request("r", std::string((1 << 20) - 100, 'x'))).status.code,
      kOk);
  expect_still_works(server);
}

TEST(Hostile, BytesThatAreNoRequest) {
  TestServer server;
  server.engine.answer = say_hello;
  // No tag; a prompt that is not UTF-8; a length beyond the end; groups deeper than the parser
  // follows.
  for (const std::string& bytes :
       {std::string("\xff\xff\xff", 3), std::string("\x1a\x01\xff", 3),
        std::string("\x1a\xff\xff\xff\xff\x07", 6), std::string(100000, '\x0b')})
    EXPECT_EQ(raw_call(server.port(), kMethod, bytes).status.code, kInvalid);
  EXPECT_EQ(raw_call(server.port(), kMethod, "").status.code, kInvalid);
  EXPECT_EQ(raw_call(server.port(), "/tessera.v1.Generation/Nothing", "").status.code,
            kUnimplemented);
  expect_still_works(server);
}

TEST(Hostile, FieldOfANewerContract) {
  TestServer server;
  v1::GenerateTextRequest request = prompt_request("r", "p");
  const std::string bytes =
      request.SerializeAsString() + std::string("\xf8\x3e\x01", 3);  // field 1007
  EXPECT_EQ(raw_call(server.port(), kMethod, bytes).status.code, kUnimplemented);
}

// Random damage to a request that sets every kind of field.
TEST(Hostile, DamagedRequests) {
  TestServer server;
  server.engine.answer = say_hello;
  v1::GenerateTextRequest request = prompt_request("", "p");
  request.clear_request_id();
  request.mutable_sampling()->set_temperature(0.5);
  (*request.mutable_sampling()->mutable_logit_bias())[3] = 1;
  request.mutable_stopping()->add_stop("x");
  (*(*request.mutable_policies())["ngram"].mutable_values())["n"].set_integer(3);
  request.mutable_chat()->add_messages()->set_fields_json("{\"role\": \"user\"}");
  const std::string whole = request.SerializeAsString();
  std::mt19937_64 random(5);
  for (int draw = 0; draw < 300; ++draw) {
    std::string bytes = whole.substr(0, draw % 3 == 0 ? random() % whole.size() : whole.size());
    for (int flips = 0; flips < draw % 4; ++flips)
      if (!bytes.empty()) bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    EXPECT_GE(raw_call(server.port(), kMethod, bytes).status.code, 0);
  }
  expect_still_works(server);
}

TEST(Hostile, MessageOfAStatusFitsTheTrailers) {
  TestServer server;
  server.engine.check = [](const TextRequest&) {
    return absl::InvalidArgumentError("stopping.stop[0] \xff " + std::string(1 << 20, '\xe2'));
  };
  const CallResult result = generate(server.port(), prompt_request("r", "p"));
  EXPECT_EQ(result.status.code, kInvalid);
  EXPECT_LE(result.status.message.size(), 1000u);
  v1::GenerateTextRequest request = prompt_request("r", "p");
  (*(*request.mutable_policies())[std::string(500000, '\n')].mutable_values())["y"];
  EXPECT_EQ(generate(server.port(), request).status.code, kInvalid);
}

TEST(Hostile, QueueOfAdmissionIsBounded) {
  ServerConfig config = test_config();
  config.admission_threads = 1;
  config.admission_queue_max = 1;
  TestServer server(config);
  std::mutex mutex;
  std::unique_lock held(mutex);
  server.engine.check = [&](const TextRequest&) {
    std::lock_guard wait(mutex);
    return absl::InvalidArgumentError("no");
  };
  std::vector<std::unique_ptr<LiveCall>> calls;
  for (int call = 0; call < 8; ++call)
    calls.push_back(
        std::make_unique<LiveCall>(server.port(), prompt_request(std::to_string(call), "p")));
  // One is being checked and one waits, at most; wait until the others are known to be refused.
  while (server.refused().size() < 6) std::this_thread::yield();
  held.unlock();
  int exhausted = 0, checked = 0;
  for (auto& call : calls) {
    const int code = call->finish().code;
    exhausted += code == kExhausted;
    checked += code == kInvalid;
  }
  EXPECT_EQ(exhausted + checked, 8);
  EXPECT_GE(exhausted, 6);
}

}  // namespace
}  // namespace tessera
