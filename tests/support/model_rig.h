// Runs one model on one rank without an engine: StepPlans of a single sequence, logits of every
// row.
#pragma once

#include <memory>
#include <vector>

#include "engine/layers/activations.h"
#include "engine/models/architectures.h"
#include "engine/weights/model_folder.h"
#include "gtest/gtest.h"
#include "kernels/core/lane.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/install.h"

namespace tessera {

inline ModelFactory factory_of(const std::string& architecture) {
  if (architecture == "LlamaForCausalLM") return make_llama;
  if (architecture == "MistralForCausalLM") return make_mistral;
  if (architecture == "Qwen2ForCausalLM") return make_qwen2;
  if (architecture == "TesseraRecurrentForCausalLM") return make_tessera_recurrent;
  return make_qwen3;
}

inline AttentionSpec spec_of(const LayerAttention& layer) {
  return {layer.window_tokens, layer.sink_tokens, layer.block_stride, layer.block_tokens};
}

class ModelRig {
 public:
  // `config` overrides the folder's facts: what a sensitivity test breaks on purpose.
  ModelRig(const ModelFolder& folder, ModelConfig config, const OpTable& ops, IsaLevel isa,
           int threads, DType dtype)
      : config_(std::move(config)),
        pool_(threads),
        execution_(pool_, isa),
        lane_(execution_),
        stream_(ops, size_t{4} << 20) {
    limits_.rows_max = kPositions;
    limits_.sequences_max = 2;
    limits_.positions_max = kPositions;
    limits_.logit_rows_max = 8;
    limits_.sites_max = 2 * config_.layers;
    for (int layer = 0; layer < config_.layers; ++layer) {
      limits_.states |= config_.recurrent[layer];
      if (config_.recurrent[layer]) group_of_layer_.push_back(-1);
      if (config_.recurrent[layer]) continue;
      const AttentionSpec spec = spec_of(config_.layer_attention[layer]);
      size_t group = 0;
      while (group < specs_.size() && !(specs_[group] == spec)) ++group;
      if (group == specs_.size()) specs_.push_back(spec);
      group_of_layer_.push_back(static_cast<int>(group));
    }
    limits_.groups = static_cast<int>(specs_.size());
    region_ = std::make_unique<Region>(*Region::create("rig", size_t{192} << 20));
    const Shard shard = *shard_of(config_, 0, 1);
    model_ = factory_of(config_.architecture)({.config = &config_,
                                               .shard = shard,
                                               .rank = {},
                                               .dtype = dtype,
                                               .positions_max = kPositions},
                                              *region_);
    memory_ = allocate_batch_memory(*region_, limits_);
    activations_ = allocate_activations(*region_, config_, shard, limits_, dtype, 1);
    for (int layer = 0; layer < config_.layers; ++layer) {
      kv_.push_back(allocate_kv_layer(*region_, dtype, kPositions / kKvBlockTokens,
                                      config_.kv_heads, config_.head_width));
      states_.push_back(config_.recurrent[layer]
                            ? region_->allocate(DType::kF32, {kStateSlots, config_.state_width})
                            : Tensor{});
    }
    lane_.attach(stream_);
    const absl::Status status = model_->load(folder, stream_);
    EXPECT_TRUE(status.ok()) << status;
    stream_.wait(stream_.record());
  }
  ~ModelRig() { lane_.detach(stream_); }

  // Logits [T, V] of `tokens` at positions first, first + 1, ...
  std::vector<float> step(std::span<const int32_t> tokens, int32_t first) {
    StepPlan plan;
    plan.verdicts.push_back(std::vector<Verdict>(model_->sites().size(), Verdict::kRun));
    Segment segment;
    segment.row_count = static_cast<int32_t>(tokens.size());
    plan.segments.push_back(segment);
    for (size_t row = 0; row < tokens.size(); ++row) {
      plan.references.push_back(tokens[row]);
      plan.slots.push_back(0);
      plan.positions.push_back(first + static_cast<int32_t>(row));
      plan.logit_rows.push_back(static_cast<int32_t>(row));
    }
    for (size_t group = 0; group < specs_.size(); ++group) {
      GroupPlan pages;
      pages.page_begin = pages.tail_begin = pages.tail_stride = {0};
      // Pages in an order that no accident would give.
      for (int32_t page = 0; page < kPositions / kKvBlockTokens; ++page) {
        pages.pages.push_back((page * 7 + 3) % (kPositions / kKvBlockTokens));
      }
      for (int32_t position : plan.positions) {
        pages.kv_slots.push_back(pages.pages[position / kKvBlockTokens] * kKvBlockTokens +
                                 position % kKvBlockTokens);
      }
      plan.groups.push_back(std::move(pages));
    }
    if (limits_.states) {
      plan.states.from = {first == 0 ? -1 : kStateSlots - 1};
      plan.states.to = {kStateSlots - 1};
    }
    const Batch batch = build_batch(plan, limits_, memory_, stream_);
    const Pass pass{stream_, batch, memory_, activations_, kv_, states_, group_of_layer_, specs_};
    model_->forward(pass);
    std::vector<float> logits(tokens.size() * config_.vocab_size);
    size_t at = 0;
    for (const Batch::LogitPiece& piece : batch.pieces) {
      const Tensor part = model_->logits(pass, piece.rows);
      stream_.download(part, std::as_writable_bytes(std::span<float>(logits).subspan(
                                 at, static_cast<size_t>(part.elements()))));
      at += static_cast<size_t>(part.elements());
    }
    stream_.wait(stream_.record());
    return logits;
  }

  // The whole of `tokens` in chunks of `chunk`.
  std::vector<float> run(std::span<const int32_t> tokens, size_t chunk) {
    std::vector<float> all;
    for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const auto part = step(tokens.subspan(begin, std::min(chunk, tokens.size() - begin)),
                             static_cast<int32_t>(begin));
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

 private:
  static constexpr int kPositions = 256;
  static constexpr int32_t kStateSlots = 3;

  ModelConfig config_;
  ComputePool pool_;
  Execution execution_;
  Lane lane_;
  Stream stream_;
  BatchLimits limits_;
  std::vector<AttentionSpec> specs_;
  std::vector<int> group_of_layer_;
  std::unique_ptr<Region> region_;
  std::unique_ptr<Model> model_;
  BatchMemory memory_;
  Activations activations_;
  std::vector<KvLayer> kv_;
  std::vector<Tensor> states_;
};

}  // namespace tessera
