// The eight tile registers of AMX, by our own wrappers: the intrinsics of g++ 12 declare too little
// memory, so stores can move across them. Every wrapper that touches memory clobbers all of it. A
// compute thread calls configure() before and release() after a run of tile code; the permission
// was asked by detect_isa(). Tile code takes its tiles as a template parameter, so tests run it on
// machines without AMX (tests/support/emulated_tiles.h).
#pragma once

#if defined(__x86_64__)

#include <cstddef>
#include <cstdint>

namespace tessera {

class HardwareTiles {
 public:
  static constexpr int kCount = 8;
  // All tiles are 16 rows of 64 bytes: 16 x 16 f32, or 16 x 32 bf16.
  static constexpr int kRows = 16;
  static constexpr int kRowBytes = 64;

  static void configure() {
    struct alignas(64) Config {
      uint8_t palette = 1;
      uint8_t start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    };
    static_assert(sizeof(Config) == 64);
    Config config;
    for (int tile = 0; tile < kCount; ++tile) {
      config.row_bytes[tile] = kRowBytes;
      config.rows[tile] = kRows;
    }
    asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  static void release() { asm volatile("tilerelease" : : : "memory"); }

  template <int kTile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile) : "memory");
  }
  // Rows `stride` bytes apart.
  template <int kTile>
  static void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  static void store(void* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
  }
  // kSum [16][16] f32 += kLeft [16][32] bf16 times kRight [16 pairs][16][2] bf16, in the order of
  // linear.h.
  template <int kSum, int kLeft, int kRight>
  static void dot() {
    asm volatile("tdpbf16ps %%tmm%c0, %%tmm%c1, %%tmm%c2"
                 :
                 : "i"(kRight), "i"(kLeft), "i"(kSum)
                 : "memory");
  }
};

}  // namespace tessera

#endif
