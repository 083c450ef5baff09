#include "tools/client/http_get.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

constexpr size_t kReplyBytesMax = 4 << 20;

int connect_to(const std::string& host, const std::string& port, double timeout_seconds) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  const int socket_fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(timeout_seconds);
  limit.tv_usec = static_cast<suseconds_t>((timeout_seconds - limit.tv_sec) * 1e6);
  setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const bool connected =
      socket_fd >= 0 && connect(socket_fd, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (connected) return socket_fd;
  if (socket_fd >= 0) close(socket_fd);
  return -1;
}

}  // namespace

absl::StatusOr<std::string> http_get(const std::string& address, const std::string& path,
                                     double timeout_seconds) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const int socket_fd = colon == std::string::npos
                            ? -1
                            : connect_to(host, address.substr(colon + 1), timeout_seconds);
  if (socket_fd < 0) return absl::UnavailableError(absl::StrCat("nothing answers on ", address));
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", address, "\r\n\r\n");
  std::string reply;
  if (send(socket_fd, request.data(), request.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(request.size())) {
    char buffer[16384];
    for (ssize_t got;
         reply.size() < kReplyBytesMax && (got = recv(socket_fd, buffer, sizeof buffer, 0)) > 0;)
      reply.append(buffer, static_cast<size_t>(got));
  }
  close(socket_fd);
  const size_t body = reply.find("\r\n\r\n");
  const std::string first_line = reply.substr(0, reply.find("\r\n"));
  if (body == std::string::npos || !absl::StrContains(first_line, " 200"))
    return absl::UnavailableError(absl::StrCat(address, " answers, but not with ", path));
  return reply.substr(body + 4);
}

}  // namespace tessera
