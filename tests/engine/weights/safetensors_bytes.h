// The bytes of safetensors files, true or not.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// `header` need not be true of `data`.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(header.size()) >> shift));
  }
  return bytes + header + data;
}

}  // namespace tessera
