#include "server/grpc/engines.h"

#include "fakes/fake_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/grpc/diffusion_server.h"

namespace tessera {
namespace {

using testing::HasSubstr;

struct Fixture {
  FakeEngine text;
  FakeDiffusionEngine pictures, more_pictures, arm;
  Engines engines{.text = &text, .diffusion = {&pictures, &more_pictures, &arm}};

  Fixture() {
    pictures.set_model(model_info("a", "class", 1));
    more_pictures.set_model(model_info("b", "prompt", 1));
    arm.set_model(model_info("arm", "observation", 1));
  }
};

TEST(Engines, ByNameAndTheOnlyOne) {
  Fixture f;
  EXPECT_EQ(*text_engine(f.engines, ""), &f.text);
  EXPECT_EQ(*text_engine(f.engines, "fake"), &f.text);
  EXPECT_EQ(*diffusion_engine(f.engines, DiffusionWork::kImage, "b"), &f.more_pictures);
  EXPECT_EQ(*diffusion_engine(f.engines, DiffusionWork::kAction, ""), &f.arm);
}

TEST(Engines, ErrorsSayWhatThereIs) {
  Fixture f;
  const auto several = diffusion_engine(f.engines, DiffusionWork::kImage, "").status();
  EXPECT_EQ(several.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(several.message()), HasSubstr("model is needed: a, b make images"));
  const auto unknown = diffusion_engine(f.engines, DiffusionWork::kImage, "x").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("there is fake, a, b, arm"));
  const auto wrong = diffusion_engine(f.engines, DiffusionWork::kImage, "arm").status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wrong.message()), HasSubstr("PredictAction"));
  EXPECT_THAT(
      std::string(diffusion_engine(f.engines, DiffusionWork::kImage, "fake").status().message()),
      HasSubstr("GenerateText"));
  EXPECT_THAT(std::string(text_engine(f.engines, "a").status().message()),
              HasSubstr("GenerateImage"));
  EXPECT_EQ(text_engine(f.engines, "x").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(diffusion_engine(f.engines, DiffusionWork::kVideo, "").status().code(),
            absl::StatusCode::kNotFound);
  f.engines.text = nullptr;
  EXPECT_EQ(text_engine(f.engines, "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(text_engine({}, "").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
