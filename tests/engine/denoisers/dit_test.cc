#include "engine/denoisers/dit.h"

#include <cmath>

#include "engine/diffusion/denoise_worker.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "gtest/gtest.h"
#include "support/golden_tensors.h"

namespace tessera {
namespace {

const std::string kFolder = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/dit";

double deviation(const std::vector<float>& values) {
  double mean = 0, square = 0;
  for (const float value : values) mean += value / values.size();
  for (const float value : values) square += (value - mean) * (value - mean) / values.size();
  return std::sqrt(square);
}

TEST(Dit, AnswersAsDiffusersDoes) {
  const GoldenTensors golden(kFolder + "/golden.safetensors");
  const auto device = *Device::get({.backend = "cpu"});
  const auto folder = DiffusersFolder::open(kFolder);
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto config = std::get<DitConfig>(folder->config().transformer);
  auto worker = *DenoiseWorker::create(
      device,
      [&config](Region& weights) { return std::make_unique<Dit>(config, DType::kF32, weights); },
      DType::kF32,
      {.rows_max = 256,
       .segments_max = 4,
       .condition_rows = 1,
       .pool_floats = 65536,
       .feature_blocks = 16,
       .condition_pages = 0});
  ASSERT_TRUE(worker->denoiser().load(folder->transformer(), worker->stream()).ok());
  for (int index = 0; golden.has("case_" + std::to_string(index) + ".latents"); ++index) {
    const std::string at = "case_" + std::to_string(index) + ".";
    const std::vector<int64_t> shape = golden.shape(at + "latents");
    const LatentShape latents{static_cast<int>(shape[0]), 1, static_cast<int>(shape[1]),
                              static_cast<int>(shape[2])};
    ASSERT_TRUE(worker->denoiser().check(latents).ok());
    const PositionRows positions = *worker->denoiser().positions(latents, worker->stream());
    worker->modulate({.slot = 1,
                      .timesteps = golden.get(at + "timestep"),
                      .label = golden.get<int32_t>(at + "label")[0],
                      .pooled = {},
                      .extra = {}});
    worker->upload(64, golden.get(at + "latents"));
    DenoisePlan plan;
    PlannedSegment planned;
    planned.segment.shape = latents;
    planned.segment.row_count = static_cast<int32_t>(worker->denoiser().image_tokens(latents));
    planned.segment.input_offset = 64;
    planned.segment.output_offset = 8192;
    planned.segment.modulation = DenoiseWorker::kWindow;
    planned.positions = &positions;
    plan.segments.push_back(planned);
    worker->launch(plan);
    std::vector<float> answer(latents.elements());
    worker->download(8192, answer);
    worker->wait();
    const std::vector<float> want = golden.get(at + "output");
    double worst = 0;
    for (size_t i = 0; i < answer.size(); ++i)
      worst = std::max<double>(worst, std::abs(answer[i] - want[i]));
    EXPECT_LT(worst / deviation(want), 1e-4) << at;
  }
}

}  // namespace
}  // namespace tessera
