// Readers of tests/golden/tokenize and the checksums its expectations are made of.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

inline std::filesystem::path golden_folder() {
  return std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden/tokenize";
}

inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline uint32_t little_endian(std::string_view bytes, size_t at, int width) {
  uint32_t value = 0;
  for (int index = width - 1; index >= 0; --index) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + index));
  }
  return value;
}

// u32 count, then per item u16 length and the bytes.
inline std::vector<std::string> read_list(const std::filesystem::path& path) {
  const std::string bytes = file_bytes(path);
  std::vector<std::string> items(bytes.empty() ? 0 : little_endian(bytes, 0, 4));
  size_t at = 4;
  for (std::string& item : items) {
    const uint32_t length = little_endian(bytes, at, 2);
    item = bytes.substr(at + 2, length);
    at += 2 + length;
  }
  return items;
}

inline std::vector<std::vector<int>> read_sequences() {
  std::vector<std::vector<int>> sequences;
  for (const std::string& item : read_list(golden_folder() / "ids.bin")) {
    std::vector<int>& sequence = sequences.emplace_back();
    for (size_t at = 0; at < item.size(); at += 2) {
      sequence.push_back(static_cast<int>(little_endian(item, at, 2)));
    }
  }
  return sequences;
}

// CRC-32 as zlib computes it.
class Crc32 {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      crc_ = table()[(crc_ ^ static_cast<unsigned char>(byte)) & 255] ^ crc_ >> 8;
    }
  }
  void add_u32(uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
      const char byte = static_cast<char>(value >> shift);
      add({&byte, 1});
    }
  }
  void add_ids(std::span<const int32_t> ids) {
    for (const int32_t id : ids) add_u32(static_cast<uint32_t>(id));
  }
  uint32_t value() const { return ~crc_; }

 private:
  static const std::array<uint32_t, 256>& table() {
    static const std::array<uint32_t, 256> entries = [] {
      std::array<uint32_t, 256> made{};
      for (uint32_t index = 0; index < 256; ++index) {
        uint32_t entry = index;
        for (int bit = 0; bit < 8; ++bit) entry = entry & 1 ? 0xEDB88320u ^ entry >> 1 : entry >> 1;
        made[index] = entry;
      }
      return made;
    }();
    return entries;
  }

  uint32_t crc_ = 0xFFFFFFFFu;
};

}  // namespace tessera
