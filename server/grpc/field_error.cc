#include "server/grpc/field_error.h"

#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

constexpr absl::string_view kPayload = "tessera.v1/field";
constexpr std::array<absl::string_view, 20> kRoots{
    "request_id",  "model",      "prompt",       "token_ids",   "chat",     "sampling",  "stopping",
    "response",    "caching",    "priority",     "best_effort", "policies", "denoising", "output",
    "class_label", "embeddings", "observations", "height",      "width",    "frames"};

}  // namespace

absl::Status field_error(absl::StatusCode code, absl::string_view field, absl::string_view what) {
  absl::Status status(code, absl::StrCat(field, " ", what));
  status.SetPayload(kPayload, absl::Cord(field));
  return status;
}

std::string field_of(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kPayload)) return std::string(*payload);
  const absl::string_view message = status.message();
  const absl::string_view word = message.substr(0, message.find_first_of(" :"));
  for (const absl::string_view root : kRoots) {
    if (word == root) return std::string(word);
    if (absl::StartsWith(word, root) && (word[root.size()] == '.' || word[root.size()] == '['))
      return std::string(word);
  }
  return "";
}

}  // namespace tessera
