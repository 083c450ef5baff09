// A picture cut into overlapping tiles, and its decoded tiles blended into one picture: what bounds
// a decoder's memory by the tile. As AutoencoderKL.tiled_decode of diffusers: tiles overlap by a
// quarter of their side, and over the overlap one passes into the other linearly. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

// In latent pixels.
struct TileBox {
  int top = 0, left = 0, height = 0, width = 0;
};

class PictureTiles {
 public:
  // Of a picture of height x width latent pixels, of which a side becomes `scale` pixels. It is one
  // tile if it has at most `whole_max` latent pixels, else tiles are `side` (at least 4) high and
  // wide, less at the ends.
  PictureTiles(int height, int width, int side, int scale, int64_t whole_max);

  const std::vector<TileBox>& boxes() const { return boxes_; }

  // `tiles` in the order of boxes(), each [3][height * scale][width * scale]; the picture
  // [3][height * scale][width * scale].
  std::vector<float> blend(std::vector<std::vector<float>> tiles) const;

 private:
  struct Plane;  // one color of one tile

  Plane plane(std::vector<std::vector<float>>& tiles, size_t index, int color) const;

  int height_, width_, scale_;
  int step_ = 0, overlap_ = 0;  // pixels from tile to tile, and of the overlap
  size_t columns_ = 1;          // tiles in a row
  std::vector<TileBox> boxes_;
};

}  // namespace tessera
