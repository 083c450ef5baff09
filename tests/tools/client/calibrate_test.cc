#include "tools/client/calibrate.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/diffusion/engine.h"
#include "engine/diffusion/schedule_files.h"
#include "gmock/gmock.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

struct Ran {
  int code;
  std::string out, err;
};

Ran calibrate_with(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int code = run_calibrate(arguments, out, err);
  return {code, out.str(), err.str()};
}

TEST(CalibrateCommand, WritesAScheduleThatTheFolderIsServedWith) {
  const TemporaryFolder folder;
  const std::filesystem::path model = folder.path() / "policy";
  std::filesystem::copy(std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden/diffusion/policy",
                        model, std::filesystem::copy_options::recursive);
  const std::string observations = (folder.path() / "observations.json").string();
  std::ofstream(observations) << "[[[1,2,3,4,5,6],[1,2,3,4,5,7],[1,2,3,4,5,8]],"
                                 "[[6,5,4,3,2,1],[6,5,4,3,2,2],[6,5,4,3,2,3]]]";
  const Ran ran = calibrate_with({"--model", model.string(), "--observations", observations,
                                  "--steps", "10", "--updates", "3", "--bubble", "0"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("6 branches compute at 3 to 3 of 10 steps"));
  const auto schedules = read_schedule_files(model.string());
  ASSERT_TRUE(schedules.ok()) << schedules.status();
  ASSERT_EQ(schedules->count("default"), 1u);
  EXPECT_THAT(schedules->at("default").made_by, HasSubstr("--updates 3"));
  DiffusionModelSettings settings;
  settings.path = model.string();
  const auto engine = DiffusionEngine::create(settings, {}, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
}

TEST(CalibrateCommand, SaysInTheFileHowBranchesShareTheirSteps) {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "made.json").string();
  const std::string observations = (folder.path() / "observations.json").string();
  std::ofstream(observations) << "[[1,2,3,4,5,6],[1,2,3,4,5,7],[1,2,3,4,5,8]]";
  const Ran ran =
      calibrate_with({"--model", TESSERA_SOURCE_DIR "/tests/golden/diffusion/policy",
                      "--observations", observations, "--out", out, "--steps", "10", "--updates",
                      "3", "--metric", "l1", "--together", "--late", "1.5"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::ifstream file(out);
  const auto schedule = parse_update_schedule(
      out, std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  EXPECT_THAT(schedule->made_by, HasSubstr("--updates 3 --metric l1 --late 1.5 --together"));
  for (const auto& [name, updates] : schedule->units) {
    EXPECT_EQ(updates, schedule->units.begin()->second) << name;
  }
}

TEST(CalibrateCommand, SaysWhatIsWrong) {
  EXPECT_THAT(calibrate_with({}).err, HasSubstr("--model"));
  EXPECT_EQ(calibrate_with({}).code, 2);
  EXPECT_THAT(calibrate_with({"--model", "x", "--metric", "guess"}).err,
              HasSubstr("must be cosine, mse, l1 or l2"));
  EXPECT_THAT(calibrate_with({"--model", "x"}).err,
              HasSubstr("PROMPTs, --class or --observations"));
  EXPECT_THAT(calibrate_with({"--model", "/nowhere", "--class", "1"}).err, HasSubstr("/nowhere"));
  EXPECT_EQ(calibrate_with({"--model", "/nowhere", "--class", "1"}).code, 1);
  EXPECT_THAT(calibrate_with({"--help"}).out, HasSubstr("--updates"));
}

}  // namespace
}  // namespace tessera
