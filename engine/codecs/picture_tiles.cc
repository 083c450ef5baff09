#include "engine/codecs/picture_tiles.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr int kColors = 3;

}  // namespace

struct PictureTiles::Plane {
  float* values;
  int height, width;

  float& at(int y, int x) const { return values[int64_t{y} * width + x]; }

  // Comes out of the tile above, over at most `overlap` rows.
  void blend_rows(const Plane& above, int overlap) const {
    const int extent = std::min({above.height, height, overlap});
    for (int y = 0; y < extent; ++y) {
      const float share = static_cast<float>(y) / static_cast<float>(extent);
      for (int x = 0; x < std::min(width, above.width); ++x) {
        at(y, x) = above.at(above.height - extent + y, x) * (1 - share) + at(y, x) * share;
      }
    }
  }
  void blend_columns(const Plane& before, int overlap) const {
    const int extent = std::min({before.width, width, overlap});
    for (int y = 0; y < std::min(height, before.height); ++y) {
      for (int x = 0; x < extent; ++x) {
        const float share = static_cast<float>(x) / static_cast<float>(extent);
        at(y, x) = before.at(y, before.width - extent + x) * (1 - share) + at(y, x) * share;
      }
    }
  }
};

PictureTiles::PictureTiles(int height, int width, int side, int scale, int64_t whole_max)
    : height_(height), width_(width), scale_(scale) {
  if (int64_t{height} * width <= whole_max) {
    step_ = std::max(height, width) * scale;
    boxes_.push_back({0, 0, height, width});
    return;
  }
  CHECK_GE(side, 4);
  const int step = side * 3 / 4;
  step_ = step * scale;
  overlap_ = (side - step) * scale;
  columns_ = static_cast<size_t>((width + step - 1) / step);
  for (int top = 0; top < height; top += step) {
    for (int left = 0; left < width; left += step) {
      boxes_.push_back({top, left, std::min(side, height - top), std::min(side, width - left)});
    }
  }
}

PictureTiles::Plane PictureTiles::plane(std::vector<std::vector<float>>& tiles, size_t index,
                                        int color) const {
  const TileBox& box = boxes_[index];
  const int height = box.height * scale_, width = box.width * scale_;
  CHECK_EQ(tiles[index].size(), static_cast<size_t>(kColors) * height * width);
  return {tiles[index].data() + int64_t{color} * height * width, height, width};
}

std::vector<float> PictureTiles::blend(std::vector<std::vector<float>> tiles) const {
  CHECK_EQ(tiles.size(), boxes_.size());
  const int64_t height = int64_t{height_} * scale_, width = int64_t{width_} * scale_;
  std::vector<float> picture(kColors * height * width);
  for (int color = 0; color < kColors; ++color) {
    for (size_t index = 0; index < tiles.size(); ++index) {
      const Plane tile = plane(tiles, index, color);
      if (index >= columns_) tile.blend_rows(plane(tiles, index - columns_, color), overlap_);
      if (index % columns_ > 0) tile.blend_columns(plane(tiles, index - 1, color), overlap_);
      const int64_t top = int64_t{boxes_[index].top} * scale_;
      const int64_t left = int64_t{boxes_[index].left} * scale_;
      const int shown = std::min(tile.width, step_);
      for (int y = 0; y < std::min(tile.height, step_); ++y) {
        const float* const from = &tile.at(y, 0);
        std::copy(from, from + shown, &picture[(color * height + top + y) * width + left]);
      }
    }
  }
  return picture;
}

}  // namespace tessera
