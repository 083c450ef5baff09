// The Unicode tables against the library's answers for every code point.
#include "engine/tokenize/unicode.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

const nlohmann::json& digests() {
  static const nlohmann::json json =
      nlohmann::json::parse(file_bytes(golden_folder() / "unicode.json"));
  return json;
}

template <class Map>
uint32_t digest_of_all(Map map) {
  Crc32 crc;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    if (code > 0) crc.add("\n");
    std::string text;
    append_utf8(code, &text);
    crc.add(map(text));
  }
  return crc.value();
}

TEST(UnicodeTest, ClassesOfEveryCodePoint) {
  Crc32 crc;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const uint16_t mask = CharClasses::get()[code];
    const char bytes[2] = {static_cast<char>(mask), static_cast<char>(mask >> 8)};
    crc.add({bytes, 2});
  }
  EXPECT_EQ(crc.value(), digests()["classes"].get<uint32_t>());
}

TEST(UnicodeTest, NormalFormsOfEveryCodePoint) {
  const std::pair<const char*, NormalForm> forms[] = {{"NFC", NormalForm::kNfc},
                                                      {"NFD", NormalForm::kNfd},
                                                      {"NFKC", NormalForm::kNfkc},
                                                      {"NFKD", NormalForm::kNfkd}};
  for (const auto& [name, form] : forms) {
    const NormalForm wanted = form;
    const uint32_t found =
        digest_of_all([wanted](const std::string& text) { return normal_form(wanted, text); });
    EXPECT_EQ(found, digests()[name].get<uint32_t>()) << name;
  }
}

TEST(UnicodeTest, LowerCaseOfEveryCodePoint) {
  const uint32_t found = digest_of_all([](const std::string& text) { return lower_case(text); });
  EXPECT_EQ(found, digests()["Lowercase"].get<uint32_t>());
}

TEST(UnicodeTest, EveryPairOfMarksOrdersAndComposes) {
  const std::string all = digests()["marks"];
  std::vector<std::string_view> marks;
  for (size_t at = 0; at < all.size(); at += marks.back().size()) {
    marks.push_back(std::string_view(all).substr(at, code_point_at(all, at).bytes));
  }
  ASSERT_GT(marks.size(), 800u);
  Crc32 crc;
  for (const std::string_view first : marks) {
    for (const std::string_view second : marks) {
      std::string text = "e";
      text.append(first).append(second);
      crc.add(normal_form(NormalForm::kNfc, text));
    }
  }
  EXPECT_EQ(crc.value(), digests()["mark_pairs_NFC"].get<uint32_t>());
}

TEST(UnicodeTest, LossyUtf8ReplacesMaximalParts) {
  const std::string bad = kReplacementUtf8.data();
  EXPECT_EQ(lossy_utf8("a\xE4\xBD\xA0z"), "a\xE4\xBD\xA0z");
  EXPECT_EQ(lossy_utf8("\xE4\xBDz"), bad + "z");  // one unfinished sequence
  EXPECT_EQ(lossy_utf8("\xF0\x9F\x98"), bad);
  EXPECT_EQ(lossy_utf8("\xC0\xAF"), bad + bad);                      // never a lead byte
  EXPECT_EQ(lossy_utf8("\xED\xA0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(lossy_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(lossy_utf8("\xE4\xE4\xBD\xA0"), bad + "\xE4\xBD\xA0");
}

TEST(UnicodeTest, LossyUtf8DoesNotDependOnTheCut) {
  const std::string bytes = "\xE4\xBD\xA0\xF0\x9F\x98\x80\xF0\x9F\xC3\xA9\x80\xED\xA0\x80z\xF4\x8F";
  const std::string whole = lossy_utf8(bytes);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      LossyUtf8 reader;
      std::string text;
      for (const auto& part :
           {bytes.substr(0, first), bytes.substr(first, second - first), bytes.substr(second)}) {
        reader.append(part, &text);
        EXPECT_TRUE(is_valid_utf8(text));
      }
      reader.finish(&text);
      EXPECT_EQ(text, whole);
    }
  }
}

}  // namespace
}  // namespace tessera
