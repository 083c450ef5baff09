// The networks of deploy/models do what their cards say: what moves has the colour of the prompt
// and goes where it says; the classes of pictures differ as drawn figures do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "support/diffusion_rig.h"

namespace tessera {
namespace {

std::unique_ptr<DiffusionEngine> open_shipped(const std::string& name) {
  DiffusionModelSettings settings;
  settings.path = absl::StrCat(TESSERA_SOURCE_DIR, "/deploy/models/", name);
  settings.memory_bytes = int64_t{64} << 20;
  settings.guidance_scale = 3;
  settings.steps = 25;
  auto engine = DiffusionEngine::create(settings, {}, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

FloatArray pixels_of(DiffusionEngine& engine, decltype(DiffusionRequest::condition) condition,
                     uint64_t seed) {
  DiffusionRequest request;
  request.id = "shipped";
  request.condition = std::move(condition);
  request.seed = seed;
  const auto sink = std::make_shared<CollectedJob>();
  EXPECT_TRUE(engine.submit(request, sink).ok());
  EXPECT_TRUE(sink->status().ok()) << sink->status();
  return sink->result().values;
}

using Point = std::array<double, 2>;  // x, y in pixels

// Where what has the colour stands in one picture of [3, side, side]: the mean place of pixels,
// weighed by how much nearer the colour they are than the pixel of the corner.
Point place_of(const float* picture, int64_t side, const std::array<double, 3>& colour) {
  const auto distance = [&](int64_t at) {
    double sum = 0;
    for (int64_t channel = 0; channel < 3; ++channel) {
      const double value = picture[channel * side * side + at];
      sum += std::pow(value - colour[static_cast<size_t>(channel)], 2);
    }
    return std::sqrt(sum);
  };
  double weight = 1e-9, x = 0, y = 0;
  for (int64_t at = 0; at < side * side; ++at) {
    const double near = std::max(0.0, 0.35 - distance(at));
    weight += near;
    x += near * static_cast<double>(at % side);
    y += near * static_cast<double>(at / side);
  }
  return {x / weight, y / weight};
}

TEST(ShippedModels, VideosMoveTheColourOfThePromptAlongTheAxisItSays) {
  const auto engine = open_shipped("shapes-latte");
  ASSERT_NE(engine, nullptr);
  const std::array<double, 3> red = {0.90, 0.15, 0.15}, blue = {0.20, 0.30, 0.95};
  for (const bool sideways : {true, false}) {
    for (const bool is_red : {true, false}) {
      const std::string prompt =
          absl::StrCat(is_red ? "red circle " : "blue square ", sideways ? "sideways" : "vertical");
      double along = 0, across = 0;
      for (const uint64_t seed : {1, 2, 3, 4}) {
        const FloatArray video = pixels_of(*engine, PromptCondition{prompt, ""}, seed);
        ASSERT_THAT(video.shape, ::testing::ElementsAre(1, 16, 3, 32, 32));
        const int64_t side = video.shape[4], frame = 3 * side * side;
        Point before{};
        for (int64_t at = 0; at < video.shape[1]; ++at) {
          const Point here = place_of(video.values.data() + at * frame, side, is_red ? red : blue);
          if (at > 0) {
            along += std::abs(here[sideways ? 0 : 1] - before[sideways ? 0 : 1]);
            across += std::abs(here[sideways ? 1 : 0] - before[sideways ? 1 : 0]);
          }
          before = here;
        }
      }
      EXPECT_GT(along, 4 * 4) << prompt;
      EXPECT_LT(across, along / 2) << prompt;
    }
  }
}

// How often neighbours along rows and columns differ visibly, per pixel.
double edges_of(const FloatArray& picture) {
  const int64_t side = picture.shape[3];
  double edges = 0;
  for (int64_t y = 0; y + 1 < side; ++y) {
    for (int64_t x = 0; x + 1 < side; ++x) {
      double right = 0, below = 0;
      for (int64_t channel = 0; channel < 3; ++channel) {
        const float* const at = picture.values.data() + (channel * side + y) * side + x;
        right += std::abs(at[1] - at[0]);
        below += std::abs(at[side] - at[0]);
      }
      edges += (right > 0.4) + (below > 0.4);
    }
  }
  return edges / static_cast<double>(side * side);
}

TEST(ShippedModels, ClassesOfPicturesDifferAsFiguresDo) {
  const auto engine = open_shipped("shapes-dit");
  ASSERT_NE(engine, nullptr);
  constexpr int kCircle = 0, kStripes = 5, kChecker = 6, kSpiral = 9;
  const auto edges = [&](int label) {
    double sum = 0;
    for (const uint64_t seed : {1, 2, 3, 4}) {
      const FloatArray picture = pixels_of(*engine, ClassCondition{label}, seed);
      EXPECT_THAT(picture.shape, ::testing::ElementsAre(1, 3, 64, 64));
      sum += edges_of(picture);
    }
    return sum / 4;
  };
  const double circle = edges(kCircle);
  EXPECT_GT(circle, 0.005);
  for (const int label : {kStripes, kChecker, kSpiral}) EXPECT_GT(edges(label), 1.7 * circle);
}

}  // namespace
}  // namespace tessera
