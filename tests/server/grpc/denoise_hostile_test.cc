// Requests to diffusion models that no honest client sends: each gets a status, and the server goes
// on.
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"
#include "server/grpc/wire_client.h"

namespace tessera {
namespace {

constexpr int kOk = 0, kInvalid = 3, kExhausted = 8, kUnimplemented = 12;

void answer_all(DiffusionServer& server) {
  server.pictures.answer = [](auto& engine, const DiffusionRequest& request) {
    give(engine, request, {1, 3, 2, 2});
  };
  server.text.answer = say_hello;
}

void expect_still_works(DiffusionServer& server) {
  EXPECT_EQ(denoise(server.port(), image_request("after")).status.code, kOk);
}

v1::GenerateImageRequest with_latents(size_t bytes) {
  v1::GenerateImageRequest request = image_request("r");
  v1::Tensor& latents = *request.mutable_denoising()->mutable_latents();
  latents.add_shape(static_cast<int64_t>(bytes / sizeof(float)));
  latents.set_data(std::string(bytes, '\0'));
  return request;
}

TEST(DenoiseHostile, SizeOfRequests) {
  ServerConfig config = test_config();
  config.request_bytes_max = 4 << 20;
  DiffusionServer server(config);
  answer_all(server);
  EXPECT_EQ(denoise(server.port(), with_latents((4 << 20) - 1024)).status.code, kOk);
  EXPECT_EQ(denoise(server.port(), with_latents((4 << 20) + 4)).status.code, kExhausted);
  // Text stays small, whatever tensors may be.
  const auto text = [&](size_t bytes) {
    return generate(server.port(), prompt_request("t", std::string(bytes, 'x'))).status.code;
  };
  EXPECT_EQ(text((1 << 20) - 100), kOk);
  EXPECT_EQ(text((1 << 20) + 1), kExhausted);
  expect_still_works(server);
}

TEST(DenoiseHostile, BytesThatAreNoRequest) {
  DiffusionServer server;
  answer_all(server);
  for (const char* method : {"GenerateImage", "GenerateVideo", "PredictAction"}) {
    const std::string path = std::string("/tessera.v1.Generation/") + method;
    for (const std::string& bytes : {std::string("\xff\xff\xff", 3), std::string("\x0a\x01\xff", 3),
                                     std::string(100000, '\x0b'), std::string()})
      EXPECT_EQ(raw_call(server.port(), path, bytes).status.code, kInvalid) << method;
    EXPECT_EQ(raw_call(server.port(), path, std::string("\xf8\x3e\x01", 3)).status.code,
              kUnimplemented);
  }
  expect_still_works(server);
}

// Random damage to a request that sets every kind of field.
TEST(DenoiseHostile, DamagedRequests) {
  DiffusionServer server;
  answer_all(server);
  v1::GenerateImageRequest request = image_request("");
  request.clear_request_id();
  request.mutable_denoising()->set_steps(3);
  request.mutable_denoising()->add_timesteps(2);
  request.mutable_denoising()->mutable_latents()->add_shape(2);
  for (const float value : {1.f, 2.f})
    request.mutable_denoising()->mutable_latents()->add_values(value);
  request.mutable_output()->set_preview_steps(1);
  (*(*request.mutable_policies())["p"].mutable_values())["n"].set_integer(3);
  const std::string whole = request.SerializeAsString();
  std::mt19937_64 random(5);
  for (int draw = 0; draw < 300; ++draw) {
    std::string bytes = whole.substr(0, draw % 3 == 0 ? random() % whole.size() : whole.size());
    for (int flips = 0; flips < draw % 4; ++flips)
      if (!bytes.empty()) bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    EXPECT_GE(raw_call(server.port(), "/tessera.v1.Generation/GenerateImage", bytes).status.code,
              0);
  }
  expect_still_works(server);
}

}  // namespace
}  // namespace tessera
