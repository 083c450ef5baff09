#include "engine/branch/update_schedule.h"

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

UpdateSchedule sample() {
  UpdateSchedule schedule;
  schedule.checkpoint = "c0ffee";
  schedule.solver = "ddpm";
  schedule.timesteps = {90, 45.5f, 0.1f};
  schedule.made_by = "by hand";
  schedule.units["0.mlp"] = {0, 2};
  schedule.units["0.self"] = {0};
  return schedule;
}

std::string text_of(const std::string& from, const std::string& to) {
  std::string text = print_update_schedule(sample());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.substr(0, at) + to + text.substr(at + from.size());
}

absl::Status error(const std::string& text) {
  const auto parsed = parse_update_schedule("bac.json", text);
  EXPECT_FALSE(parsed.ok()) << text;
  EXPECT_THAT(std::string(parsed.status().message()), ::testing::StartsWith("bac.json: "));
  return parsed.status();
}

TEST(UpdateSchedule, SurvivesTheRoundTrip) {
  const auto parsed = parse_update_schedule("bac.json", print_update_schedule(sample()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->checkpoint, "c0ffee");
  EXPECT_EQ(parsed->solver, "ddpm");
  EXPECT_EQ(parsed->timesteps, sample().timesteps);
  EXPECT_EQ(parsed->made_by, "by hand");
  EXPECT_EQ(parsed->units, sample().units);
}

TEST(UpdateSchedule, ErrorsNameTheField) {
  EXPECT_EQ(error(text_of("\"version\": 1", "\"version\": 2")).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_THAT(error(text_of("\"version\": 1", "\"version\": 2")).ToString(),
              HasSubstr("version is 2"));
  EXPECT_THAT(error(text_of("update schedule", "poem")).ToString(), HasSubstr("format is"));
  EXPECT_THAT(error(text_of("\"solver\"", "\"solvr\"")).ToString(),
              HasSubstr("unknown field \"solvr\""));
  EXPECT_THAT(error(text_of("\"c0ffee\"", "\"\"")).ToString(), HasSubstr("checkpoint must be"));
  EXPECT_THAT(error(text_of("\"c0ffee\"", "7")).ToString(), HasSubstr("checkpoint must be"));
  EXPECT_THAT(error(text_of("[90.0", "[null")).ToString(), HasSubstr("timesteps[0] is null"));
  EXPECT_THAT(error(text_of("[90.0", "[1e300")).ToString(), HasSubstr("timesteps[0] is 1e+300"));
  EXPECT_THAT(error(text_of("[0,2]", "[]")).ToString(),
              HasSubstr("units.\"0.mlp\" must be a list"));
  EXPECT_THAT(error(text_of("[0,2]", "[1,2]")).ToString(),
              HasSubstr("units.\"0.mlp\"[0] is 1, must be 0"));
  EXPECT_THAT(error(text_of("[0,2]", "[0,3]")).ToString(), HasSubstr("[1] is 3, must be above"));
  EXPECT_THAT(error(text_of("[0,2]", "[0,2,2]")).ToString(), HasSubstr("[2] is 2, must be above"));
  EXPECT_THAT(error(text_of("[0,2]", "[0,1.5]")).ToString(), HasSubstr("[1] is 1.5"));
  EXPECT_THAT(error(text_of("[0,2]", "[0,18446744073709551615]")).ToString(),
              HasSubstr("[1] is 18446744073709551615"));
  EXPECT_THAT(error(text_of("[0,2]", "{}")).ToString(),
              HasSubstr("units.\"0.mlp\" must be a list"));
}

TEST(UpdateSchedule, HostileTexts) {
  for (const std::string text :
       {"", "[]", "{}", "null", "{\"units\":", "\xff\xfe", "{\"format\": []}"}) {
    EXPECT_EQ(error(text).code(), absl::StatusCode::kInvalidArgument);
  }
  (void)error(std::string(size_t{5} << 20, ' '));
  (void)error(std::string(100000, '['));
  std::string many = "[";
  for (int step = 0; step < 200000; ++step)
    many.append(step == 0 ? "" : ",").append(std::to_string(step));
  EXPECT_THAT(error(text_of("[0,2]", many + "]")).ToString(), HasSubstr("[3] is 3"));
  EXPECT_THAT(error(text_of("[90.0,45.5,0.10000000149011612]", many + "]")).ToString(),
              HasSubstr("timesteps must be a list of 1 to 1000"));
  const std::string text = print_update_schedule(sample());
  for (size_t cut = 0; cut + 2 < text.size(); ++cut) (void)error(text.substr(0, cut));
}

TEST(SiteNames, AreUnique) {
  EXPECT_THAT(site_names(joint_model(1).sites),
              ElementsAre("0.joint", "0.joint.context", "0.mlp", "0.mlp_context"));
  EXPECT_THAT(site_names(video_model(1, true).sites),
              ElementsAre("0.self", "0.cross", "0.mlp", "0.temporal", "0.mlp.2"));
}

}  // namespace
}  // namespace tessera
