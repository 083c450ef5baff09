// Broken and hostile tokenizer.model files: lying sizes, wrong wire types, and normalisation tries
// that lead outside themselves.
#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/tokenizer.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

std::string varint(uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
  return out + static_cast<char>(value);
}
std::string number(int field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(int field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string score(float value) {
  std::string out = varint(2 << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(bits >> shift);
  return out;
}
std::string piece(const std::string& text, int type = 1) {
  return bytes(1, bytes(1, text) + score(-1.0f) + number(3, type));
}
// <unk>, <s>, a, b and ab, as BPE.
std::string valid() {
  return piece("<unk>", 2) + piece("<s>", 3) + piece("a") + piece("b") + piece("ab") +
         bytes(2, number(3, 2));
}
std::string charsmap(const std::string& blob) { return bytes(3, bytes(2, blob)); }

std::string error_of(const std::string& model) {
  const TemporaryFolder folder;
  folder.write("tokenizer.model", model);
  const auto loaded = Tokenizer::load(folder.path());
  if (loaded.ok()) {
    (*loaded)->decode((*loaded)->encode("ab ba \xE4\xBD\xA0"), false);
    return "";
  }
  const std::string message(loaded.status().message());
  EXPECT_NE(message.find(folder.path() / "tokenizer.model"), std::string::npos) << message;
  return message;
}

TEST(HostileModelTest, TheUnbrokenModelLoads) { EXPECT_EQ(error_of(valid()), ""); }

TEST(HostileModelTest, EveryRefusalNamesItsPlace) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "pieces: there are none"},
      {"\x0A\xFF", "no valid protocol buffer"},        // says 255 bytes, has none
      {valid() + "\x0B", "no valid protocol buffer"},  // a group
      {valid() + std::string(11, '\xFF'), "no valid protocol buffer"},
      {valid() + number(1, 3), "pieces[5]: has the wrong wire type"},
      {valid() + bytes(1, number(1, 3)), "pieces[5].piece: has the wrong wire type"},
      {valid() + bytes(1, score(1)), "pieces[5].piece: must not be empty"},
      {valid() + piece("\xFF"), "pieces[5].piece: is no valid UTF-8"},
      {valid() + piece(std::string(600, 'a')), "pieces[5].piece: longer than 512 bytes"},
      {valid() + piece("a"), "pieces[5].piece: \"a\" is listed twice"},
      {valid() + piece("x", 9), "pieces[5].type: 9 is not known"},
      {valid() + piece("<0xZZ>", 6), "pieces[5].piece: \"<0xZZ>\" names no byte"},
      {valid() + piece("<u>", 2), "pieces: 2 are unknown"},
      {piece("a") + bytes(2, number(3, 2)), "pieces: 0 are unknown"},
      {valid() + bytes(1, bytes(1, "n") + score(std::nanf(""))), "pieces[5].score: is no finite"},
      {valid() + bytes(2, number(3, 3)), "trainer_spec.model_type: 3 is not supported"},
      {valid() + bytes(2, number(35, 1)), "pieces: none for byte 0"},
      {valid() + bytes(2, bytes(35, "x")), "trainer_spec.byte_fallback: has the wrong wire type"},
      {valid() + bytes(5, bytes(2, "rules")), "denormalizer_spec.precompiled_charsmap"},
      {valid() + charsmap("abc"), "precompiled_charsmap: the size of its trie does not fit"},
      {valid() + charsmap("\xFF\xFF\xFF\xFFzzzz"), "precompiled_charsmap: the size"},
  };
  for (const auto& [model, message] : cases) {
    const std::string found = error_of(model);
    EXPECT_NE(found.find(message), std::string::npos) << message << " <> " << found;
  }
}

TEST(HostileModelTest, TriesThatLeadAnywhere) {
  std::mt19937_64 random(4);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t units = 1 + random() % 600;
    std::string blob;
    for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>((4 * units) >> shift);
    for (size_t index = 0; index < units; ++index) {
      // Half of the units carry a label that a neighbour could lead to.
      const uint64_t drawn = random();
      const auto unit =
          static_cast<uint32_t>(drawn % 2 ? drawn >> 8 : (index & 255) | (drawn >> 32 & 0x3FF00));
      for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>(unit >> shift);
    }
    blob += std::string("x\0yy\0", 5);
    refused += !error_of(valid() + charsmap(blob)).empty();
  }
  EXPECT_GT(refused, 5);
}

// A unit that leads back to itself would be a rule without end.
TEST(HostileModelTest, CyclesAreRefused) {
  const auto unit = [](uint32_t offset, uint32_t label) { return offset << 10 | label; };
  std::vector<uint32_t> units(256, 0);
  units[0] = unit(1, 0);                      // children at 1 ^ label
  units[1 ^ 'a'] = unit((1 ^ 'a') ^ 1, 'a');  // whose children are the same again
  std::string blob;
  for (int shift = 0; shift < 32; shift += 8)
    blob += static_cast<char>((4 * units.size()) >> shift);
  for (const uint32_t value : units) {
    for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>(value >> shift);
  }
  blob += std::string("x\0", 2);
  EXPECT_NE(error_of(valid() + charsmap(blob)).find("or no end"), std::string::npos);
}

}  // namespace
}  // namespace tessera
