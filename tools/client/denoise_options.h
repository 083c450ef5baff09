// The options of `tessera image`, `video` and `act`, and the request they make. Reads the files
// they name, and stdin for "-". Main thread.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct DenoiseOptions {
  std::string address = "127.0.0.1:50051";
  double timeout_seconds = 0;  // 0 = none
  std::string out;             // of image: a file; of video: a folder
  bool json = false;
  bool stats = false;
  bool quiet = false;
  bool help = false;
  int64_t samples = 1;  // as asked for
  std::variant<v1::GenerateImageRequest, v1::GenerateVideoRequest, v1::PredictActionRequest>
      request;
};

absl::StatusOr<DenoiseOptions> parse_image(const std::vector<std::string>& arguments,
                                           std::istream& in);
absl::StatusOr<DenoiseOptions> parse_video(const std::vector<std::string>& arguments,
                                           std::istream& in);
absl::StatusOr<DenoiseOptions> parse_act(const std::vector<std::string>& arguments,
                                         std::istream& in);
std::string image_help();
std::string video_help();
std::string act_help();

}  // namespace tessera
