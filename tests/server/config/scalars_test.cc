#include "server/config/scalars.h"

#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "server/config/yaml_tree.h"

namespace tessera {
namespace {

TEST(Scalars, Integers) {
  EXPECT_EQ(*parse_integer("0"), 0);
  EXPECT_EQ(*parse_integer("-17"), -17);
  EXPECT_EQ(*parse_integer("9223372036854775807"), std::numeric_limits<int64_t>::max());
  for (const char* text : {"", "-", "1.0", "1e3", "0x10", "1_000", " 1", "1 ",
                           "9223372036854775808", "007", "-01", "one"})
    EXPECT_FALSE(parse_integer(text).ok()) << text;
  EXPECT_NE(parse_integer("010").status().message().find("leading zero"), std::string::npos);
}

TEST(Scalars, Numbers) {
  EXPECT_EQ(*parse_number("0.5"), 0.5);
  EXPECT_EQ(*parse_number(".5"), 0.5);
  EXPECT_EQ(*parse_number("2e-3"), 2e-3);
  for (const char* text :
       {"nan", "inf", ".inf", "-inf", "1e999", "0x1p3", "", ".", "e5", "1e", "00.5", "1,5"})
    EXPECT_FALSE(parse_number(text).ok()) << text;
}

TEST(Scalars, Bytes) {
  EXPECT_EQ(*parse_bytes("4096"), 4096u);
  EXPECT_EQ(*parse_bytes("512MiB"), 512u << 20);
  EXPECT_EQ(*parse_bytes("1.5 GiB"), 3ull << 29);
  EXPECT_EQ(*parse_bytes("2GB"), 2000000000u);
  EXPECT_EQ(*parse_bytes("7B"), 7u);
  for (const char* text : {"-1", "-1MiB", "1.5", "0.3KiB", "MiB", "1mib", "1M", "1 GiBs", "1e30TiB",
                           "01MiB", "nanMiB"})
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
}

TEST(Scalars, Seconds) {
  EXPECT_EQ(*parse_seconds("30"), 30);
  EXPECT_EQ(*parse_seconds("250ms"), 0.25);
  EXPECT_EQ(*parse_seconds("5min"), 300);
  EXPECT_EQ(*parse_seconds("1h"), 3600);
  EXPECT_EQ(*parse_seconds("2.5s"), 2.5);
  for (const char* text : {"", "s", "5m", "5 minutes", "1d", "infs"})
    EXPECT_FALSE(parse_seconds(text).ok()) << text;
}

TEST(Scalars, UntypedValuesAreWhatTheyLookLike) {
  EXPECT_EQ(*parse_untyped("true"), PolicyValue(true));
  EXPECT_EQ(*parse_untyped("3"), PolicyValue(int64_t{3}));
  EXPECT_EQ(*parse_untyped("3.0"), PolicyValue(3.0));
  EXPECT_EQ(*parse_untyped("yes"), PolicyValue(std::string("yes")));
  EXPECT_FALSE(parse_untyped("03").ok());
  EXPECT_FALSE(parse_untyped("99999999999999999999").ok());
}

TEST(Scalars, PrintedValuesReadBack) {
  std::mt19937_64 random(3);
  for (int draw = 0; draw < 2000; ++draw) {
    const uint64_t bytes = (random() >> 11) >> (random() % 53);
    EXPECT_EQ(*parse_bytes(bytes_text(bytes)), bytes);
    const double number =
        std::ldexp(static_cast<double>(random() >> 11), -static_cast<int>(random() % 80));
    EXPECT_EQ(*parse_number(number_text(number)), number);
    EXPECT_EQ(*parse_untyped(yaml_value(PolicyValue(number))), PolicyValue(number));
  }
}

TEST(Scalars, PrintedTextReadsBack) {
  for (const std::string text :
       {"",     "plain", "true", "12",        "1.5",         "null",      "~",           "a: b",
        "a #b", "- x",   "it's", "say \"x\"", "back\\slash", "tab\there", "*alias",      "&anchor",
        "!tag", "{a}",   "[a]",  "%x",        "@x",          "`x`",       "caf\xc3\xa9", "x:",
        ":x",   "---",   "?",    "a\nb",      "|",           ">",         "=",           "<<"}) {
    const auto tree = parse_yaml("key: " + yaml_text(text), "t");
    ASSERT_TRUE(tree.ok()) << text << tree.status();
    EXPECT_EQ(tree->entries.at(0).value.text, text);
    EXPECT_EQ(tree->entries.at(0).value.kind, YamlNode::Kind::kScalar) << text;
  }
}

}  // namespace
}  // namespace tessera
