#include "server/command_line.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/print.h"
#include "server/config/served_name.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using Action = CommandLine::Action;

std::string error_of(const std::vector<std::string>& arguments) {
  return std::string(parse_command_line(arguments).status().message());
}

TEST(CommandLine, ReadsFlags) {
  const auto line = parse_command_line(
      {"--config", "a.yaml", "--model=/m", "--set", "a.b=c=d", "--set=e.f=", "--print-config"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->action, Action::kPrintConfig);
  EXPECT_EQ(line->sources.file, "a.yaml");
  EXPECT_EQ(line->sources.model, "/m");
  EXPECT_EQ(line->sources.sets, (std::vector<std::string>{"a.b=c=d", "e.f="}));
  EXPECT_EQ(parse_command_line({"--model", "/m"})->action, Action::kServe);
  const auto models = parse_command_line({"--diffusion-model", "/a", "--diffusion-model=/b"});
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->sources.diffusion_models, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(parse_command_line({"--help", "--version"})->action, Action::kHelp);
  EXPECT_EQ(parse_command_line({"--version"})->action, Action::kVersion);
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_THAT(error_of({}), HasSubstr("--model FOLDER or --config FILE"));
  EXPECT_THAT(error_of({"--config"}), HasSubstr("--config needs a value"));
  EXPECT_THAT(error_of({"--config="}), HasSubstr("--config needs a value"));
  EXPECT_THAT(error_of({"--modell", "x"}), HasSubstr("no flag --modell"));
  EXPECT_THAT(error_of({"a.yaml"}), HasSubstr("did you mean --config a.yaml"));
  EXPECT_THAT(error_of({"folder"}), HasSubstr("did you mean --model folder"));
  EXPECT_THAT(error_of({"--model", "a", "--model", "b"}), HasSubstr("twice"));
}

TEST(CommandLine, HelpNamesEveryFlag) {
  for (const char* flag : {"--model", "--diffusion-model", "--config", "--set", "--check-config",
                           "--print-config", "--help-config", "--version", "--help"})
    EXPECT_THAT(help_text(), HasSubstr(flag));
  EXPECT_THAT(version_text(), HasSubstr("tesserad "));
}

TEST(ServedName, ComesFromTheFolder) {
  ModelSettings model;
  model.path = "/models/tiny-code";
  EXPECT_EQ(served_name(model), "tiny-code");
  model.path = "/models/x/../tiny-code/";
  EXPECT_EQ(served_name(model), "tiny-code");
  model.name = "other";
  EXPECT_EQ(served_name(model), "other");
}

}  // namespace
}  // namespace tessera
