#include "server/grpc/status_mapping.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

// HTTP/2 peers refuse trailers above 8 KiB; the message travels twice and percent-encoded once.
constexpr size_t kMessageBytesMax = 1000;
constexpr int64_t kRetrySeconds = 1;

size_t continuation_bytes(unsigned char lead) {
  if (lead < 0x80) return 0;
  if (lead >= 0xc2 && lead < 0xe0) return 1;
  if (lead >= 0xe0 && lead < 0xf0) return 2;
  return lead >= 0xf0 && lead < 0xf5 ? 3 : 4;
}

}  // namespace

std::string sendable_message(absl::string_view message) {
  std::string out;
  for (size_t at = 0; at < message.size();) {
    const size_t follow = continuation_bytes(static_cast<unsigned char>(message[at]));
    bool whole = follow < 4 && at + follow < message.size();
    for (size_t next = 1; whole && next <= follow; ++next)
      whole = (static_cast<unsigned char>(message[at + next]) & 0xc0) == 0x80;
    // Overlong forms and surrogates pass the length check but not a strict reader.
    if (whole && follow >= 2) {
      const unsigned char lead = message[at], second = message[at + 1];
      whole = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second >= 0xa0) &&
              !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second >= 0x90);
    }
    const size_t length = whole ? follow + 1 : 1;
    if (out.size() + length > kMessageBytesMax - 3) return out + "...";
    if (whole) {
      out.append(message.data() + at, length);
    } else {
      out += '?';
    }
    at += length;
  }
  return out;
}

grpc::Status to_grpc_status(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(sendable_message(status.message()));
  const std::string field = sendable_message(field_of(status));
  if (!field.empty() && (status.code() == absl::StatusCode::kInvalidArgument ||
                         status.code() == absl::StatusCode::kUnimplemented)) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(rich.message());
    rich.add_details()->PackFrom(bad);
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(kRetrySeconds);
    rich.add_details()->PackFrom(retry);
  }
  if (rich.details().empty()) return grpc::Status(code, rich.message());
  return grpc::Status(code, rich.message(), rich.SerializeAsString());
}

}  // namespace tessera
