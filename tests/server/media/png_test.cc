#include "server/media/png.h"

#include <png.h>

#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

struct Decoded {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> bytes;  // [height, width, 3]
};

Decoded decode(const std::string& file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, file.data(), file.size()), 0) << image.message;
  EXPECT_EQ(image.format, static_cast<png_uint_32>(PNG_FORMAT_RGB));
  Decoded out{image.height, image.width, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  EXPECT_NE(png_image_finish_read(&image, nullptr, out.bytes.data(), 0, nullptr), 0);
  return out;
}

TEST(Png, RoundsToTheNearestByteAndClamps) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, uint8_t>> cases = {
      {0.f, 0},          {1.f, 255},        {-0.5f, 0},          {2.f, 255},
      {nan, 0},          {infinity, 255},   {-infinity, 0},      {0.5f, 128},
      {0.499f / 255, 0}, {0.501f / 255, 1}, {254.4f / 255, 254}, {254.6f / 255, 255}};
  for (const auto& [value, byte] : cases) {
    const auto file = encode_png(std::vector<float>{value, 0.f, 1.f}, 1, 1);
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(decode(*file).bytes, (std::vector<uint8_t>{byte, 0, 255})) << value;
  }
}

TEST(Png, PlanesBecomePixels) {
  const int64_t height = 37, width = 91;
  std::mt19937 random(3);
  std::vector<float> pixels(3 * height * width);
  for (float& value : pixels) value = static_cast<float>(random() % 256) / 255.f;
  const auto file = encode_png(pixels, height, width);
  ASSERT_TRUE(file.ok());
  const Decoded decoded = decode(*file);
  ASSERT_EQ(decoded.height, height);
  ASSERT_EQ(decoded.width, width);
  for (int64_t at = 0; at < height * width; ++at) {
    for (int channel = 0; channel < 3; ++channel)
      ASSERT_EQ(decoded.bytes[3 * at + channel],
                static_cast<int>(pixels[channel * height * width + at] * 255.f + 0.5f));
  }
}

TEST(Png, SizesMustFit) {
  const std::vector<float> pixels(12);
  EXPECT_TRUE(encode_png(pixels, 2, 2).ok());
  EXPECT_FALSE(encode_png(pixels, 2, 3).ok());
  EXPECT_FALSE(encode_png(pixels, 0, 0).ok());
  EXPECT_FALSE(encode_png({}, 0, 5).ok());
  EXPECT_FALSE(encode_png(pixels, -2, -2).ok());
  EXPECT_FALSE(encode_png(pixels, int64_t{1} << 40, 2).ok());
}

}  // namespace
}  // namespace tessera
