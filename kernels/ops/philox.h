// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a counter-based generator, ten rounds of
// multiplication over a 128-bit counter with a 64-bit key. Pure; any thread, host or device.
#pragma once

#include <array>
#include <cstdint>

namespace tessera {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

// What a draw is for: draws of one token for different purposes are independent.
enum class DrawPurpose : uint32_t { kSample = 0, kAccept = 1, kResidual = 2, kPropose = 3 };

// 64 uniform bits, a function of these arguments alone.
constexpr uint64_t philox_bits(uint32_t seed_low, uint32_t seed_high, int32_t output_index,
                               int32_t position, DrawPurpose purpose) {
  const PhiloxCounter words =
      philox4x32_10({static_cast<uint32_t>(output_index), static_cast<uint32_t>(position),
                     static_cast<uint32_t>(purpose), 0},
                    {seed_low, seed_high});
  return uint64_t{words[1]} << 32 | words[0];
}

}  // namespace tessera
