// One denoising network of a golden folder on the cpu backend: steps of any number of samples
// together, seen after every stage.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/denoiser/denoise_plan.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "gtest/gtest.h"
#include "support/golden_tensors.h"
#include "support/sigma.h"

namespace tessera {

inline std::string golden_folder(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/" + name;
}

struct DenoiserInputs {
  LatentShape shape;
  std::vector<float> latents, prompt, pooled, extra;
  float timestep = 0;
  int32_t label = 0;
};

// Of one network call; rows are those of the sample.
struct DenoiserStages {
  std::vector<float> modulation, embedded, embedded_context, output;
  std::vector<std::vector<float>> block, context;  // the streams after each block
};

class DenoiserRig {
 public:
  static constexpr int kSamples = 4;

  DenoiserRig(const DenoiserFactory& make, const TensorFiles& files, DType dtype)
      : limits_({.rows_max = kRows,
                 .segments_max = kSamples,
                 .condition_rows = kPromptRows,
                 .pool_floats = 2 * kSamples * kFloats,
                 .feature_blocks = kFeatureBlocks,
                 .condition_pages = kSamples * kPages,
                 .context_rows = kSamples * kPromptRows,
                 .smallest_attention = 1}) {
    DeviceSettings settings;
    settings.backend = "cpu";
    worker_ = *DenoiseWorker::create(*Device::get(settings), make, dtype, limits_);
    const absl::Status loaded = worker_->denoiser().load(files, worker_->stream());
    EXPECT_TRUE(loaded.ok()) << loaded;
    worker_->wait();
    const absl::Status used = files.check_all_used("the network");
    EXPECT_TRUE(used.ok()) << used;
    batch_limits_ = {.rows_max = limits_.rows_max,
                     .segments_max = limits_.segments_max,
                     .condition_rows_max = limits_.condition_rows,
                     .sites = static_cast<int>(worker_->denoiser().sites().size()),
                     .smallest_attention = limits_.smallest_attention};
  }

  Denoiser& denoiser() { return worker_->denoiser(); }
  const DenoiserFacts& facts() const { return worker_->denoiser().facts(); }

  DenoiserInputs inputs(const GoldenTensors& golden, const std::string& at) const {
    DenoiserInputs made;
    const auto optional = [&](const char* name) {
      return golden.has(at + name) ? golden.get(at + name) : std::vector<float>{};
    };
    const std::vector<int64_t> shape = golden.shape(at + "latents");
    made.shape.channels = static_cast<int>(shape[0]);
    if (shape.size() == 4) made.shape.frames = static_cast<int>(shape[1]);
    made.shape.height = static_cast<int>(shape[shape.size() - 2]);
    made.shape.width = static_cast<int>(shape[shape.size() - 1]);
    made.latents = golden.get(at + "latents");
    made.timestep = golden.get(at + "timestep")[0];
    made.prompt = optional("prompt");
    made.pooled = optional("pooled");
    made.extra = optional("sizes");
    if (golden.has(at + "label")) made.label = golden.get<int32_t>(at + "label")[0];
    return made;
  }

  // Everything a step of sample `which` needs but the decisions of its plan.
  PlannedSegment place(int which, const DenoiserInputs& inputs) {
    EXPECT_TRUE(denoiser().check(inputs.shape).ok()) << denoiser().check(inputs.shape);
    EXPECT_EQ(inputs.extra.size(), static_cast<size_t>(facts().extra_conditions));
    positions_[which] = *denoiser().positions(inputs.shape, worker_->stream());
    worker_->modulate({.slot = which,
                       .timesteps = std::span(&inputs.timestep, 1),
                       .label = inputs.label,
                       .pooled = inputs.pooled,
                       .extra = inputs.extra});
    PlannedSegment planned;
    DenoiseSegment& segment = planned.segment;
    if (!inputs.prompt.empty()) {
      const int64_t tokens = static_cast<int64_t>(inputs.prompt.size()) / facts().prompt_width;
      const int first_page = (which * 5 + 3) % (kSamples * kPages);  // in no order
      for (int page = 0; page < kPages && facts().context_layers > 0; ++page) {
        planned.condition_pages.push_back((first_page + page * kSamples) % (kSamples * kPages));
      }
      segment.context_store = which * kPromptRows;
      worker_->condition(inputs.prompt, facts().prompt_width, planned.condition_pages,
                         facts().condition_first_key, segment.context_store);
      segment.condition_keys = static_cast<int32_t>(tokens + facts().condition_first_key);
      if (facts().context_stream) segment.context_count = static_cast<int32_t>(tokens);
    }
    segment.shape = inputs.shape;
    segment.row_count = static_cast<int32_t>(denoiser().image_tokens(inputs.shape));
    segment.input_offset = which * kFloats;
    segment.output_offset = (kSamples + which) * kFloats;
    segment.modulation = which * DenoiseWorker::kWindow;
    planned.positions = &positions_[which];
    worker_->upload(segment.input_offset, inputs.latents);
    return planned;
  }

  // One step, the blocks one by one.
  std::vector<DenoiserStages> step(const DenoisePlan& plan) {
    Stream& stream = worker_->stream();
    const DenoiseBatch batch =
        build_denoise_batch(plan, denoiser().sites(), batch_limits_, worker_->memory(), stream);
    const DenoisePass pass{stream, batch, worker_->memory()};
    const int64_t image_rows = batch.rows - batch.context_rows;
    std::vector<DenoiserStages> stages(plan.segments.size());
    const auto rows = [&](int64_t begin, int64_t count, std::vector<float>& out) {
      out.resize(count * facts().width);
      if (count == 0) return;
      stream.download(denoiser().residual().rows(begin, count),
                      std::as_writable_bytes(std::span(out)));
      worker_->wait();
    };
    const auto streams = [&](size_t which, std::vector<float>& image, std::vector<float>& context) {
      const DenoiseSegment& segment = batch.segments[which];
      rows(segment.row_begin, segment.row_count, image);
      rows(image_rows + segment.context_begin, segment.context_count, context);
    };
    denoiser().embed(pass);
    for (size_t which = 0; which < stages.size(); ++which) {
      streams(which, stages[which].embedded, stages[which].embedded_context);
    }
    for (int block = 0; block < denoiser().block_count(); ++block) {
      denoiser().blocks(pass, block, block + 1);
      for (size_t which = 0; which < stages.size(); ++which) {
        streams(which, stages[which].block.emplace_back(), stages[which].context.emplace_back());
      }
    }
    denoiser().head(pass);
    for (size_t which = 0; which < stages.size(); ++which) {
      const DenoiseSegment& segment = batch.segments[which];
      stages[which].output.resize(segment.shape.elements());
      worker_->download(segment.output_offset, stages[which].output);
      stages[which].modulation.resize(facts().modulation_width);
      stream.download(worker_->memory().modulation.rows(segment.modulation, 1),
                      std::as_writable_bytes(std::span(stages[which].modulation)));
    }
    worker_->wait();
    return stages;
  }

  DenoiserStages alone(int which, const DenoiserInputs& inputs) {
    DenoisePlan plan;
    plan.segments.push_back(place(which, inputs));
    return step(plan)[0];
  }

 private:
  static constexpr int kRows = 512, kPromptRows = 128, kPages = 9, kFeatureBlocks = 256;
  static constexpr int64_t kFloats = 8192;

  const WorkerLimits limits_;
  DenoiseBatchLimits batch_limits_;
  std::unique_ptr<DenoiseWorker> worker_;
  PositionRows positions_[kSamples];
};

// The network of a golden folder and its rig.
template <class Config, class Network>
struct GoldenDenoiser {
  explicit GoldenDenoiser(const std::string& name, DType dtype = DType::kF32)
      : folder(*DiffusersFolder::open(golden_folder(name))),
        config(std::get<Config>(folder.config().transformer)),
        golden(golden_folder(name) + "/golden.safetensors"),
        rig([this,
             dtype](Region& weights) { return std::make_unique<Network>(config, dtype, weights); },
            folder.transformer(), dtype) {}

  DenoiserInputs inputs(const std::string& at) const {
    if constexpr (std::is_same_v<Config, DiffusionPolicyConfig>) {
      DenoiserInputs made;
      made.shape = {1, 1, config.horizon, config.action_width};
      made.latents = golden.get(at + "latents");
      made.timestep = golden.get(at + "timestep")[0];
      made.prompt = golden.get(at + "observation");
      return made;
    } else {
      return rig.inputs(golden, at);
    }
  }

  const DiffusersFolder folder;
  const Config config;
  const GoldenTensors golden;
  DenoiserRig rig;
};

// Compares one stage with its golden tensor, the first values of it where there are more, and
// remembers the worst.
class StageCheck {
 public:
  StageCheck(const GoldenTensors& golden, std::string at) : golden_(golden), at_(std::move(at)) {}

  void operator()(const std::string& name, const std::vector<float>& got) {
    std::vector<float> want = golden_.get(at_ + name);
    if (name == "output") want.resize(got.size());  // without variances
    const double worst = worst_sigma(got, want);
    EXPECT_LT(worst, 1e-4) << at_ << name;
    if (name == "output") testing::Test::RecordProperty(at_ + name, std::to_string(worst));
  }
  void operator()(const std::string& name, std::span<const float> got) {
    (*this)(name, std::vector<float>(got.begin(), got.end()));
  }

 private:
  const GoldenTensors& golden_;
  const std::string at_;
};

inline std::vector<std::string> golden_cases(const GoldenTensors& golden) {
  std::vector<std::string> cases;
  while (golden.has("case_" + std::to_string(cases.size()) + ".latents")) {
    cases.push_back("case_" + std::to_string(cases.size()) + ".");
  }
  EXPECT_GE(cases.size(), 3u);
  return cases;
}

}  // namespace tessera
