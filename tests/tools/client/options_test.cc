#include "tools/client/options.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::HasSubstr;

struct Fixture {
  std::string text;
  bool flag = false;
  int64_t whole = 0;
  double real = 0;
  std::vector<std::string> positional;

  absl::Status parse(const std::vector<std::string>& arguments) {
    const std::vector<Option> rows{
        {"--text", "TEXT", "a text", into_text(text)},
        {"--flag", "", "a flag", into_flag(flag)},
        {"--whole", "N", "a number", with_integer([&](int64_t v) { whole = v; })},
        {"--real", "X", "a number", with_number([&](double v) { real = v; })}};
    return parse_options(rows, arguments, positional);
  }
};

TEST(Options, TakeValuesBothWays) {
  Fixture f;
  ASSERT_TRUE(f.parse({"--text", "-x", "one", "--flag", "--whole=-3", "--real", "1e-3", "-", "--",
                       "--flag"})
                  .ok());
  EXPECT_EQ(f.text, "-x");
  EXPECT_TRUE(f.flag);
  EXPECT_EQ(f.whole, -3);
  EXPECT_EQ(f.real, 1e-3);
  EXPECT_EQ(f.positional, (std::vector<std::string>{"one", "-", "--flag"}));
  ASSERT_TRUE(f.parse({"--text="}).ok());
  EXPECT_EQ(f.text, "");
}

TEST(Options, SayWhatIsWrong) {
  Fixture f;
  const auto error = [&](const std::vector<std::string>& arguments) {
    return std::string(f.parse(arguments).message());
  };
  EXPECT_THAT(error({"--texts", "x"}), HasSubstr("did you mean --text?"));
  EXPECT_THAT(error({"-x"}), HasSubstr("there is no option -x"));
  EXPECT_THAT(error({"--text"}), HasSubstr("--text needs TEXT"));
  EXPECT_THAT(error({"--flag=1"}), HasSubstr("takes no value"));
  EXPECT_THAT(error({"--whole", "1.5"}), HasSubstr("--whole: expected a whole number"));
  EXPECT_THAT(error({"--whole", "99999999999999999999"}), HasSubstr("whole number"));
  EXPECT_THAT(error({"--real", "x"}), HasSubstr("--real: expected a number"));
}

}  // namespace
}  // namespace tessera
