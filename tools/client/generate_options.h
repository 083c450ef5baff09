// The options of `tessera generate`, and the request they make. Reads the files they name, and
// stdin for the prompt "-". Main thread.
#pragma once

#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct GenerateOptions {
  std::string address = "127.0.0.1:50051";
  double timeout_seconds = 0;  // 0 = none
  bool json = false;
  bool stats = false;
  bool help = false;
  v1::GenerateTextRequest request;
};

absl::StatusOr<GenerateOptions> parse_generate(const std::vector<std::string>& arguments,
                                               std::istream& in);
std::string generate_help();

}  // namespace tessera
