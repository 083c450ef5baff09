#include "server/config/address.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tessera {

absl::StatusOr<Address> parse_address(absl::string_view text) {
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not an address: ", why, "; write host:port"));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return wrong("it has no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view digits = text.substr(colon + 1);
  Address address;
  if (digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &address.port) || address.port > 65535)
    return wrong("its port is not a number from 0 to 65535");
  if (host.empty()) return wrong("it has no host");
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    in6_addr parsed;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &parsed) != 1)
      return wrong("what stands in brackets is no IPv6 address");
  } else if (host.find(':') != absl::string_view::npos) {
    return wrong("an IPv6 host needs brackets");
  } else if (host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    ".-_") != absl::string_view::npos) {
    return wrong("its host has characters that no host name has");
  }
  address.host = std::string(host);
  return address;
}

bool is_loopback(const Address& address) {
  if (address.host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, address.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace tessera
