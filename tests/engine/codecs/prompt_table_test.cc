#include "engine/codecs/prompt_table.h"

#include <cmath>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/prompt_file.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kWidth = 2, kTokensMax = 3;

class PromptTableTest : public testing::Test {
 protected:
  absl::StatusOr<std::optional<PromptTable>> open(const std::vector<PromptRows>& prompts) {
    write_prompt_file(folder_.path() / PromptTable::kFileName, prompts);
    return PromptTable::open(folder_.path().string(), kWidth, kTokensMax);
  }
  std::string refusal(const std::vector<PromptRows>& prompts) {
    return open(prompts).status().ToString();
  }

  TemporaryFolder folder_;
};

TEST_F(PromptTableTest, AFolderWithoutTheFileHasNoTable) {
  const auto table = PromptTable::open(folder_.path().string(), kWidth, kTokensMax);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_FALSE(table->has_value());
}

TEST_F(PromptTableTest, FindsPromptsByTheirText) {
  const auto table = open({{"nothing", {1, 2}, {0, 0}}, {"red circle", {2, 2}, {1, -2.5, 3, 4}}});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT((*table)->prompts(), ElementsAre("red circle"));
  const auto rows = (*table)->find("prompt", "red circle");
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(rows->shape, ElementsAre(2, 2));
  EXPECT_THAT(rows->values, ElementsAre(1, -2.5, 3, 4));
  EXPECT_EQ((*table)->find("prompt", "")->shape[0], 1);
  const absl::Status unknown = (*table)->find("negative_prompt", "a horse").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown.ToString(), HasSubstr("negative_prompt: this model knows 2 prompts"));
}

TEST_F(PromptTableTest, BrokenFilesAreRefusedInWords) {
  EXPECT_THAT(refusal({{"a", {1, 2}, {0, 0}}}), HasSubstr("has no tensor \"nothing\""));
  EXPECT_THAT(refusal({{"nothing", {1, 3}, {0, 0, 0}}}), HasSubstr("must be [1 to 3, 2]"));
  EXPECT_THAT(refusal({{"nothing", {4, 2}, std::vector<float>(8)}}), HasSubstr("must be"));
  EXPECT_THAT(refusal({{"nothing", {2}, {0, 0}}}), HasSubstr("must be"));
  EXPECT_THAT(refusal({{"nothing", {1, 2}, {0, NAN}}}), HasSubstr("not finite"));
  EXPECT_THAT(refusal({{"nothing", {1, 2}, {0, 0}}, {std::string(200, 'x'), {1, 1}, {0}}}),
              AllOf(HasSubstr(std::string(64, 'x')), Not(HasSubstr(std::string(65, 'x')))));
  std::ofstream(folder_.path() / PromptTable::kFileName) << "not a file of tensors";
  EXPECT_FALSE(PromptTable::open(folder_.path().string(), kWidth, kTokensMax).ok());
}

}  // namespace
}  // namespace tessera
