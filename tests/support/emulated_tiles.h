// Tile registers in software: the state of palette 1 with eight tiles of 16 x 64 bytes, and
// TDPBF16PS as the manual defines it. Lets the tile kernels run where there is no AMX, and catches
// what hardware would fault on or hide: use without configure(), sums never begun.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/reference/math.h"

namespace tessera {

class EmulatedTiles {
 public:
  static void configure() {
    State& state = here();
    ASSERT_FALSE(state.configured);
    state = State{};
    state.configured = true;
  }
  static void release() {
    ASSERT_TRUE(here().configured);
    here() = State{};
  }
  template <int kTile>
  static void zero() {
    Tile& tile = touch<kTile>();
    std::memset(tile.bytes, 0, sizeof(tile.bytes));
    tile.defined = true;
  }
  template <int kTile>
  static void load(const void* from, int64_t stride) {
    Tile& tile = touch<kTile>();
    for (int row = 0; row < kRows; ++row) {
      std::memcpy(tile.bytes[row], static_cast<const std::byte*>(from) + row * stride, kRowBytes);
    }
    tile.defined = true;
  }
  template <int kTile>
  static void store(void* to, int64_t stride) {
    const Tile& tile = use<kTile>();
    for (int row = 0; row < kRows; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * stride, tile.bytes[row], kRowBytes);
    }
  }
  // Denormals are zero and results flush, whatever the mode of the thread; the caller's
  // FlushSubnormals does that here. Rounding is to nearest even.
  template <int kSum, int kLeft, int kRight>
  static void dot() {
    static_assert(kSum != kLeft && kSum != kRight && kLeft != kRight);  // else #UD
    const Tile& left = use<kLeft>();
    const Tile& right = use<kRight>();
    Tile& sum = use<kSum>();
    for (int row = 0; row < kRows; ++row) {
      float even[16] = {}, odd[16] = {};
      for (int pair = 0; pair < 16; ++pair) {
        for (int column = 0; column < 16; ++column) {
          even[column] =
              std::fma(bf16(left, row, 2 * pair), bf16(right, pair, 2 * column), even[column]);
          odd[column] = std::fma(bf16(left, row, 2 * pair + 1), bf16(right, pair, 2 * column + 1),
                                 odd[column]);
        }
      }
      for (int column = 0; column < 16; ++column) {
        float value;
        std::memcpy(&value, sum.bytes[row] + 4 * column, 4);
        value += even[column] + odd[column];
        std::memcpy(sum.bytes[row] + 4 * column, &value, 4);
      }
    }
  }

 private:
  static constexpr int kRows = 16;
  static constexpr int kRowBytes = 64;
  struct Tile {
    std::byte bytes[kRows][kRowBytes];
    bool defined = false;
  };
  struct State {
    bool configured = false;
    std::array<Tile, 8> tiles;
  };

  static State& here() {
    thread_local State state;
    return state;
  }
  template <int kTile>
  static Tile& touch() {
    static_assert(kTile >= 0 && kTile < 8);
    EXPECT_TRUE(here().configured);
    return here().tiles[kTile];
  }
  template <int kTile>
  static Tile& use() {
    Tile& tile = touch<kTile>();
    EXPECT_TRUE(tile.defined);
    return tile;
  }
  static float bf16(const Tile& tile, int row, int element) {
    Bf16 value;
    std::memcpy(&value, tile.bytes[row] + 2 * element, 2);
    return to_f32(value);
  }
};

}  // namespace tessera
