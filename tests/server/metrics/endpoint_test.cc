#include "server/metrics/endpoint.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string get(int port, const std::string& path) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string reply;
  if (connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    EXPECT_EQ(send(socket_fd, request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t got; (got = recv(socket_fd, buffer, sizeof buffer, 0)) > 0;)
      reply.append(buffer, static_cast<size_t>(got));
  }
  close(socket_fd);
  return reply;
}

TEST(Endpoint, ServesTheMetricsAndNothingElse) {
  Metrics metrics;
  metrics.add_text("m").on_step({.emitted_tokens = 5});
  MetricsEndpoint endpoint("127.0.0.1:0", metrics);
  ASSERT_TRUE(endpoint.start().ok());
  const std::string reply = get(endpoint.port(), "/metrics");
  EXPECT_THAT(reply, HasSubstr("200 OK"));
  EXPECT_THAT(reply, HasSubstr("tessera_generation_tokens_total{model_name=\"m\"} 5"));
  EXPECT_THAT(reply, HasSubstr("# TYPE tessera_requests_running gauge"));
  EXPECT_THAT(get(endpoint.port(), "/"), HasSubstr("404"));
  EXPECT_THAT(get(endpoint.port(), "/../etc/passwd"), testing::Not(HasSubstr("root:")));
  const int port = endpoint.port();
  endpoint.stop();
  EXPECT_EQ(get(port, "/metrics"), "");
}

TEST(Endpoint, UsedPortIsOneSentence) {
  const Metrics metrics;
  MetricsEndpoint first("localhost:0", metrics);
  ASSERT_TRUE(first.start().ok());
  const std::string address = "127.0.0.1:" + std::to_string(first.port());
  MetricsEndpoint second(address, metrics);
  EXPECT_EQ(
      second.start().message(),
      "cannot listen on " + address + " (server.metrics_address): another program listens there");
}

}  // namespace
}  // namespace tessera
