// Replays the seed corpus of one fuzz target without libFuzzer, so that every build checks it: each
// file as it is, cut short, with bits flipped, and doubled.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "gtest/gtest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void feed(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST(Replay, CorpusAndBrokenVariants) {
  std::mt19937_64 random(1);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_CORPUS)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    ++files;
    feed(bytes);
    feed(bytes + bytes);
    if (bytes.empty()) continue;
    for (int variant = 0; variant < 16; ++variant) {
      feed(bytes.substr(0, random() % bytes.size()));
      std::string flipped = bytes;
      for (int flip = 0; flip <= variant % 4; ++flip)
        flipped[random() % flipped.size()] ^= static_cast<char>(1u << (random() % 8));
      feed(flipped);
    }
  }
  EXPECT_GT(files, 0) << "no seed corpus in " << TESSERA_CORPUS;
}

}  // namespace
