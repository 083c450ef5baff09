// Readers of tests/golden/chat and the clock its results were made at.
#pragma once

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/chat/limits.h"

namespace tessera {

inline std::filesystem::path chat_goldens() {
  return std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden/chat";
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline nlohmann::ordered_json golden_json(const char* name) {
  return nlohmann::ordered_json::parse(file_text(chat_goldens() / name));
}

// NOW of tools/golden/chat_goldens.py: Sunday, 26 July 2026, 09:05:07.
inline RenderLimits golden_limits() {
  std::tm now = {};
  now.tm_year = 2026 - 1900;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 7;
  now.tm_yday = 206;
  RenderLimits limits;
  limits.now = now;
  return limits;
}

}  // namespace tessera
