#include "server/lifecycle/listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/config/address.h"

namespace tessera {
namespace {

std::string bind_failure(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return gai_strerror(error);
  std::string why = "the address cannot be used";
  const int probe = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  const int reuse = 1;
  if (probe >= 0) {
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    if (bind(probe, found->ai_addr, found->ai_addrlen) != 0 || listen(probe, 1) != 0)
      why = errno == EADDRINUSE ? "another program listens there" : std::strerror(errno);
    close(probe);
  }
  freeaddrinfo(found);
  return why;
}

}  // namespace

absl::Status listen_error(const std::string& setting, const std::string& address) {
  absl::StatusOr<Address> parsed = parse_address(address);
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", address, " (", setting,
      "): ", parsed.ok() ? bind_failure(*parsed) : std::string(parsed.status().message())));
}

}  // namespace tessera
