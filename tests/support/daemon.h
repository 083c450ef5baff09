// Command lines of tesserad and tessera for tests that run them as processes. The test's target
// defines TESSERAD and TESSERA as the paths of the programs.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "support/child_process.h"

namespace tessera {

// Ports that were free a moment ago. Two at once, so that they differ.
inline std::pair<int, int> free_ports() {
  int ports[2], sockets[2];
  for (int which = 0; which < 2; ++which) {
    sockets[which] = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(sockets[which], reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(sockets[which], reinterpret_cast<sockaddr*>(&address), &size);
    ports[which] = ntohs(address.sin_port);
  }
  for (const int one : sockets) close(one);
  return {ports[0], ports[1]};
}

// A daemon's addresses and command line.
struct Daemon {
  std::string address, metrics_address;
  std::vector<std::string> command;

  explicit Daemon(const std::string& model = "/models/tiny") {
    const auto [grpc, metrics] = free_ports();
    address = "127.0.0.1:" + std::to_string(grpc);
    metrics_address = "127.0.0.1:" + std::to_string(metrics);
    command = {TESSERAD,
               "--model",
               model,
               "--set",
               "server.grpc_address='" + address + "'",
               "--set",
               "server.metrics_address='" + metrics_address + "'"};
  }
};

inline std::vector<std::string> client(const Daemon& daemon, const std::string& command,
                                       std::vector<std::string> more = {}) {
  std::vector<std::string> all{TESSERA, command, "--address", daemon.address};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace tessera
