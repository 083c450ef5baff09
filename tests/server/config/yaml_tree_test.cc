#include "server/config/yaml_tree.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  const auto tree = parse_yaml(text, "f.yaml");
  return tree.ok() ? "" : std::string(tree.status().message());
}

TEST(YamlTree, RemembersPlacesAndQuotes) {
  const auto tree = parse_yaml("a: 1\nb:\n  c: \"2\"\n  d: [x, y]\n  e:\n", "f.yaml");
  ASSERT_TRUE(tree.ok()) << tree.status();
  ASSERT_EQ(tree->entries.size(), 2u);
  const YamlNode& b = tree->entries[1].value;
  EXPECT_EQ(tree->entries[1].key.line, 2);
  EXPECT_EQ(b.entries[0].key.line, 3);
  EXPECT_EQ(b.entries[0].key.column, 3);
  EXPECT_EQ(b.entries[0].value.column, 6);
  EXPECT_TRUE(b.entries[0].value.quoted);
  EXPECT_FALSE(tree->entries[0].value.quoted);
  EXPECT_EQ(b.entries[1].value.items.size(), 2u);
  EXPECT_EQ(b.entries[2].value.kind, YamlNode::Kind::kNull);
}

TEST(YamlTree, EmptyDocumentIsNull) {
  EXPECT_EQ(parse_yaml("", "f")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(parse_yaml("# only a comment\n", "f")->kind, YamlNode::Kind::kNull);
}

TEST(YamlTree, RefusesWhatASettingsFileDoesNotNeed) {
  EXPECT_THAT(error_of("a: &x 1\nb: *x\n"), HasSubstr("f.yaml:1:4: anchors"));
  EXPECT_THAT(error_of("a: !!str 1\n"), HasSubstr("tags"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(error_of("[1]: 2\n"), HasSubstr("key"));
  EXPECT_THAT(error_of("a: [1\n"), HasSubstr("f.yaml:"));
  EXPECT_THAT(error_of("a: 1\n b: 2\n"), HasSubstr("is not YAML"));
}

TEST(YamlTree, RefusesBytesThatAreNoText) {
  EXPECT_THAT(error_of("a: 1\nb: \xff\n"), HasSubstr("f.yaml:2:4: is not UTF-8"));
  EXPECT_THAT(error_of(std::string("a: \0b", 5)), HasSubstr("control character"));
  EXPECT_THAT(error_of("a: \xc0\x80"), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of("a: \xed\xa0\x80"), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of("a: \xf4\x90\x80\x80"), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of("a: \xe2\x82"), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of(std::string("\xff\xfe"
                                   "a\0",
                                   4)),
              HasSubstr("UTF-8"));
  EXPECT_EQ(error_of("a: \xe2\x82\xac\xf0\x9f\x98\x80"), "");
}

TEST(YamlTree, BoundsDepthSizeAndCount) {
  EXPECT_THAT(error_of(std::string(100, '[') + std::string(100, ']')), HasSubstr("nested"));
  EXPECT_NE(error_of(std::string(500000, '[')), "");
  EXPECT_NE(error_of(std::string(500000, '{')), "");
  std::string steps;
  for (size_t depth = 0; depth < 700; ++depth) steps.append(depth, ' ').append("a:\n");
  EXPECT_NE(error_of(steps), "");
  EXPECT_THAT(error_of(std::string(kYamlBytesMax + 1, 'a')), HasSubstr("at most"));
  std::string many = "a: [";
  for (int item = 0; item < kYamlNodesMax; ++item) many += "1,";
  EXPECT_THAT(error_of(many + "1]"), HasSubstr("more than"));
}

// Nine levels of ten references each would be a billion values if they were followed.
TEST(YamlTree, AliasBombIsRefusedAtOnce) {
  std::string bomb = "a0: &a0 [x]\n";
  for (int level = 1; level < 10; ++level) {
    absl::StrAppend(&bomb, "a", level, ": &a", level, " [");
    for (int item = 0; item < 10; ++item) absl::StrAppend(&bomb, "*a", level - 1, ",");
    bomb += "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("anchors are not supported"));
}

}  // namespace
}  // namespace tessera
