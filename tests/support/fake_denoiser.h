// A network for simulations: two streams, a condition in pages, blocks whose branches add a
// function of their normalised input, and not one matrix product. What it answers depends on the
// latents, so decisions that look at features vary.
#pragma once

#include <atomic>
#include <vector>

#include "engine/denoiser/denoiser.h"
#include "kernels/ops/activation.h"
#include "kernels/ops/patch.h"

namespace tessera {

class FakeDenoiser final : public Denoiser {
 public:
  static constexpr int kBlocks = 3, kWidth = 16, kChannels = 4, kPatch = 2, kPromptTokens = 20;

  explicit FakeDenoiser(std::atomic<int>& refusals) : refusals_(refusals) {
    facts_.conditioning = Conditioning::kPrompt;
    facts_.latent_channels = kChannels;
    facts_.patch = kPatch;
    facts_.width = kWidth;
    facts_.modulation_width = kWidth;
    facts_.time_width = kWidth;
    facts_.prompt_width = kWidth;
    facts_.prompt_tokens_max = kPromptTokens;
    facts_.context_stream = true;
    facts_.context_layers = 1;
    facts_.heads = 1;
    facts_.head_width = kWidth;
  }

  const DenoiserFacts& facts() const override { return facts_; }
  std::vector<DenoiserSite> sites() const override {
    std::vector<DenoiserSite> sites;
    for (int block = 0; block < kBlocks; ++block) {
      const bool last = block + 1 == kBlocks;
      sites.push_back({.block = block, .kind = SiteKind::kJoint, .layout = RowLayout::kJoint});
      sites.push_back({.block = block,
                       .kind = SiteKind::kJoint,
                       .layout = RowLayout::kJoint,
                       .context = true,
                       .adds = !last});
      sites.push_back({.block = block, .kind = SiteKind::kCross, .layout = RowLayout::kCross});
      sites.push_back({.block = block, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
    }
    return sites;
  }
  absl::Status check(const LatentShape& shape) const override {
    if (shape.height % kPatch == 0 && shape.width % kPatch == 0) return absl::OkStatus();
    return absl::InvalidArgumentError("no whole patches");
  }
  int64_t image_tokens(const LatentShape& shape) const override {
    return int64_t{shape.height / kPatch} * (shape.width / kPatch);
  }
  void allocate_scratch(Region& scratch, const DenoiserLimits& limits) override {
    residual_ = scratch.allocate(DType::kF32, {limits.rows_max, kWidth});
    normed_ = scratch.allocate(DType::kF32, {limits.rows_max, kWidth});
    delta_ = scratch.allocate(DType::kF32, {limits.rows_max, kWidth});
  }
  absl::Status load(const TensorFiles&, Stream&) override { return absl::OkStatus(); }

  // Every so often a job cannot start.
  absl::StatusOr<PositionRows> positions(const LatentShape&, Stream&) override {
    if (refusals_ > 0 && --refusals_ == 0) {
      return absl::ResourceExhaustedError("too many shapes");
    }
    return PositionRows{};
  }
  void modulate(const ModulationPass&) const override {}
  void condition(const ConditionPass& pass) const override {
    scatter_rows(pass.stream, {.in = pass.rows, .rows = pass.context, .out = pass.memory.context});
  }

  void embed(const DenoisePass& pass) const override {
    for (const DenoiseSegment& segment : pass.batch.segments) {
      patchify(pass.stream, {.pool = pass.memory.pool,
                             .offset = segment.input_offset,
                             .channels = kChannels,
                             .frames = 1,
                             .height = segment.shape.height,
                             .width = segment.shape.width,
                             .patch = kPatch,
                             .rows = residual_.rows(segment.row_begin, segment.row_count)});
    }
    const int64_t context = pass.batch.context_rows;
    gather_rows(pass.stream, {.in = pass.memory.condition.context,
                              .rows = pass.batch.context_rows_in_store,
                              .out = residual_.rows(pass.batch.rows - context, context)});
  }

  void blocks(const DenoisePass& pass, int first, int end) const override {
    const int64_t contexts = pass.batch.context_rows, images = pass.batch.rows - contexts;
    Residual image(pass.stream, pass.batch.table(pass.memory), residual_.rows(0, images),
                   normed_.rows(0, images));
    Residual context(pass.stream, pass.batch.context_table(pass.memory),
                     residual_.rows(images, contexts), normed_.rows(images, contexts));
    const BranchNorm norm = BranchNorm::layer({}, {}, 0.5f);
    const auto branch_in = [&](int64_t first_row) {
      return [this, &pass, first_row](const RowSet&, const Tensor& normed) {
        const Tensor delta = delta_.rows(first_row, normed.dim(0));
        activate(pass.stream, {.in = normed, .kind = Activation::kSilu, .out = delta});
        return delta;
      };
    };
    const auto echo = branch_in(0), context_echo = branch_in(images);
    for (int block = first; block < end; ++block) {
      const int site = 4 * block;
      image.enter_block(block);
      context.enter_block(block);
      image.add(site, norm, {}, echo);
      if (block + 1 < kBlocks) context.add(site + 1, norm, {}, context_echo);
      image.add(site + 2, norm, {}, echo);
      image.add(site + 3, norm, {}, echo);
      image.leave_block(block);
      context.leave_block(block);
    }
    image.flush();
    context.flush();
  }

  void head(const DenoisePass& pass) const override {
    for (const DenoiseSegment& segment : pass.batch.segments) {
      unpatchify(pass.stream, {.rows = residual_.rows(segment.row_begin, segment.row_count),
                               .pool = pass.memory.pool,
                               .offset = segment.output_offset,
                               .channels = kChannels,
                               .frames = 1,
                               .height = segment.shape.height,
                               .width = segment.shape.width,
                               .patch = kPatch});
    }
  }
  int block_count() const override { return kBlocks; }
  Tensor residual() const override { return residual_; }

 private:
  std::atomic<int>& refusals_;
  DenoiserFacts facts_;
  Tensor residual_, normed_, delta_;  // [T, D] f32
};

}  // namespace tessera
