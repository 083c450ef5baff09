#include "server/grpc/text_call.h"

#include "absl/strings/str_format.h"

namespace tessera {

std::string TextCall::summary(const Event& last) {
  const auto& completed = std::get<Completed>(last);
  return absl::StrFormat("%d prompt and %d output tokens, first after %.3f s, all %.3f s",
                         completed.usage.prompt_tokens, completed.usage.completion_tokens,
                         completed.timings.first_token_seconds, completed.timings.total_seconds);
}

}  // namespace tessera
