#include "server/media/png.h"

#include <png.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

constexpr int64_t kSideMax = 65536;

uint8_t to_byte(float value) {
  // Written so that a NaN fails the comparison.
  if (!(value > 0.f)) return 0;
  return static_cast<uint8_t>(std::min(value, 1.f) * 255.f + 0.5f);
}

}  // namespace

absl::StatusOr<std::string> encode_png(std::span<const float> pixels, int64_t height,
                                       int64_t width) {
  const bool fits = height >= 1 && width >= 1 && height <= kSideMax && width <= kSideMax &&
                    static_cast<int64_t>(pixels.size()) == 3 * height * width;
  if (!fits)
    return absl::InvalidArgumentError(absl::StrCat(pixels.size(), " values make no picture of ",
                                                   height, " x ", width, " pixels"));
  const int64_t plane = height * width;
  std::vector<uint8_t> interleaved(3 * plane);
  for (int64_t at = 0; at < plane; ++at) {
    for (int channel = 0; channel < 3; ++channel)
      interleaved[3 * at + channel] = to_byte(pixels[channel * plane + at]);
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(bytes, '\0');
  if (png_image_write_to_memory(&image, file.data(), &bytes, /*convert_to_8_bit=*/0,
                                interleaved.data(), /*row_stride=*/0, nullptr) == 0)
    return absl::InternalError(absl::StrCat("a PNG cannot be written: ", image.message));
  file.resize(bytes);
  return file;
}

}  // namespace tessera
