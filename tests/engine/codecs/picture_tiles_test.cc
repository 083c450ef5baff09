#include "engine/codecs/picture_tiles.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

constexpr int kScale = 2, kSide = 8;

// Each tile as the picture has it there, plus `shift` times its rank.
std::vector<std::vector<float>> cut(const PictureTiles& tiles, int width, int height, float shift) {
  std::vector<std::vector<float>> cuts;
  for (const TileBox& box : tiles.boxes()) {
    std::vector<float>& values = cuts.emplace_back();
    for (int color = 0; color < 3; ++color) {
      for (int y = box.top * kScale; y < (box.top + box.height) * kScale; ++y) {
        for (int x = box.left * kScale; x < (box.left + box.width) * kScale; ++x) {
          values.push_back(static_cast<float>((color * height * kScale + y) * width * kScale + x) +
                           shift * static_cast<float>(cuts.size() - 1));
        }
      }
    }
  }
  return cuts;
}

TEST(PictureTiles, TilesThatAgreeGiveThePictureBack) {
  for (const auto& [height, width] : {std::pair(8, 9), std::pair(7, 30), std::pair(13, 13),
                                      std::pair(21, 6), std::pair(12, 18)}) {
    const PictureTiles tiles(height, width, kSide, kScale, kSide * kSide);
    EXPECT_GT(tiles.boxes().size(), 1u);
    const std::vector<float> picture = tiles.blend(cut(tiles, width, height, 0));
    ASSERT_EQ(picture.size(), static_cast<size_t>(3 * height * width * kScale * kScale));
    for (size_t at = 0; at < picture.size(); ++at) {
      ASSERT_NEAR(picture[at], static_cast<float>(at), 1e-3) << height << " x " << width;
    }
  }
}

TEST(PictureTiles, TilesThatDifferPassIntoEachOtherLinearly) {
  const PictureTiles tiles(4, 20, kSide, kScale, 0);
  ASSERT_EQ(tiles.boxes().size(), 4u);  // at 0, 6, 12, 18
  const std::vector<float> picture = tiles.blend(cut(tiles, 20, 4, 100));
  // The overlap of the first two begins at pixel 12 and is 4 wide.
  const float added[] = {0, 25, 50, 75, 100};
  for (int x = 0; x < 5; ++x) EXPECT_NEAR(picture[12 + x], 12 + x + added[x], 1e-3);
  EXPECT_NEAR(picture[11], 11, 1e-3);
}

TEST(PictureTiles, ASmallPictureIsOneTile) {
  const PictureTiles tiles(3, 40, kSide, kScale, 120);
  ASSERT_EQ(tiles.boxes().size(), 1u);
  const std::vector<std::vector<float>> cuts = cut(tiles, 40, 3, 0);
  EXPECT_EQ(tiles.blend(cuts), cuts[0]);
}

}  // namespace
}  // namespace tessera
