#include "engine/diffusion/decode_worker.h"

#include <algorithm>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/golden_engine.h"
#include "support/sigma.h"

namespace tessera {
namespace {

constexpr int64_t kLatentPixels = 64;

class DecodeWorkerTest : public testing::Test {
 protected:
  DecodeWorkerTest()
      : folder_(*DiffusersFolder::open(diffusion_folder("dit"))), config_(*folder_.config().vae) {
    // The goldens start behind the scaling.
    config_.scaling_factor = 1;
    worker_ = *DecodeWorker::create(*Device::get({}), config_, DType::kF32, kLatentPixels);
    const absl::Status loaded = worker_->load(*folder_.vae());
    EXPECT_TRUE(loaded.ok()) << loaded;
  }

  DecodeWorker::Decoded next() {
    DecodeWorker::Decoded decoded;
    while (!worker_->poll(decoded)) std::this_thread::yield();
    return decoded;
  }
  static std::vector<float> shown(std::vector<float> pixels) {
    for (float& value : pixels) value = std::clamp(value / 2 + 0.5f, 0.0f, 1.0f);
    return pixels;
  }

  const DiffusersFolder folder_;
  AutoencoderKlConfig config_;
  std::unique_ptr<DecodeWorker> worker_;
};

TEST_F(DecodeWorkerTest, LargePicturesAreDecodedInTilesAsDiffusersDoes) {
  const GoldenTensors golden(diffusion_folder("dit") + "/tiles.safetensors");
  const std::vector<int64_t> shape = golden.shape("latents");
  worker_->start({7,
                  0,
                  golden.get("latents"),
                  {4, 1, static_cast<int>(shape[1]), static_cast<int>(shape[2])}});
  const DecodeWorker::Decoded decoded = next();
  EXPECT_EQ(decoded.key, 7);
  EXPECT_LT(worst_sigma(decoded.pixels, shown(golden.get("pixels"))), 1e-4);
}

TEST_F(DecodeWorkerTest, FramesAndSamplesComeInOrderWithTheBitsOfEachAlone) {
  const GoldenTensors golden(diffusion_folder("dit") + "/tiles.safetensors");
  const std::vector<float> latents = golden.get("latents");
  const LatentShape tall{4, 1, 11, 17};
  worker_->start({1, 0, latents, tall});
  const std::vector<float> frame = next().pixels;
  // Three frames, the middle one upside down.
  std::vector<float> video;
  const int64_t plane = 11 * 17;
  for (int channel = 0; channel < 4; ++channel) {
    const auto begin = latents.begin() + channel * plane;
    video.insert(video.end(), begin, begin + plane);
    video.insert(video.end(), std::reverse_iterator(begin + plane), std::reverse_iterator(begin));
    video.insert(video.end(), begin, begin + plane);
  }
  worker_->start({2, 3, video, {4, 3, 11, 17}});
  worker_->start({3, 0, latents, tall});
  worker_->start({4, 0, latents, tall});
  worker_->drop(3);
  const DecodeWorker::Decoded many = next();
  EXPECT_EQ(many.key, 2);
  EXPECT_EQ(many.step, 3);
  ASSERT_EQ(many.pixels.size(), 3 * frame.size());
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), many.pixels.begin()));
  EXPECT_FALSE(std::equal(frame.begin(), frame.end(), many.pixels.begin() + frame.size()));
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), many.pixels.begin() + 2 * frame.size()));
  const DecodeWorker::Decoded last = next();
  EXPECT_EQ(last.key, 4);
  EXPECT_EQ(last.pixels, frame);
  EXPECT_TRUE(worker_->idle());
}

TEST(Previews, AreWhatTheStepPredictsAndChangeNoBit) {
  const auto engine = open_golden("pixart");
  DiffusionRequest request;
  request.id = "shown";
  request.condition = PromptCondition{"a boat", ""};
  request.n = 2;
  request.seed = 3;
  request.timesteps = {999, 500, 250};
  request.preview_steps = 2;
  const auto shown = submit_to(*engine, request);
  ASSERT_TRUE(shown->status().ok()) << shown->status();
  ASSERT_EQ(shown->previews().size(), 1u);
  const JobPreview& preview = shown->previews()[0];
  EXPECT_EQ(preview.step, 2);
  EXPECT_EQ(preview.pixels.shape, shown->result().values.shape);
  request.id = "plain";
  request.preview_steps = 0;
  const auto plain = submit_to(*engine, request);
  EXPECT_EQ(plain->result().values.values, shown->result().values.values);
  EXPECT_TRUE(plain->previews().empty());
  // The last step of this solver goes to its prediction.
  request.id = "prediction";
  request.timesteps = {999, 500};
  const auto prediction = submit_to(*engine, request);
  EXPECT_LT(worst_sigma(preview.pixels.values, prediction->result().values.values), 1e-4);
}

TEST(Previews, OfAJobThatEndsEarlyAreForgotten) {
  const auto engine = open_golden("latte");
  const GoldenTensors golden(diffusion_folder("latte") + "/golden.safetensors");
  DiffusionRequest request = golden_request(golden, "run_0.", 8);
  request.preview_steps = 1;
  request.steps = 500;
  const auto cancelled = submit_to(*engine, request);
  cancelled->wait_for_step(2);
  ASSERT_TRUE(engine->cancel(request.id).ok());
  EXPECT_TRUE(absl::IsCancelled(cancelled->status()));
  request.id = "latents";
  request.steps = 5;
  const auto latents = submit_to(*engine, request);
  EXPECT_TRUE(latents->status().ok()) << latents->status();
  for (const JobPreview& preview : latents->previews()) {
    EXPECT_THAT(preview.pixels.shape, testing::ElementsAre(1, 5, 3, 48, 80));
  }
  engine->drain(Clock::now() + std::chrono::seconds(10));
}

}  // namespace
}  // namespace tessera
