// TesseraRecurrentForCausalLM: a decoder without attention. Each block mixes positions by a gated
// linear recurrence over C channels, so that a sequence keeps a state of constant size instead of a
// growing KV cache, then applies a SwiGLU ffn; both pre-norm. The plug that proves what the core
// offers to recurrent families (kernels/ops/recurrence.h).
#include <string>

#include "engine/branch/residual.h"
#include "engine/layers/feed_forward.h"
#include "engine/layers/linear_layer.h"
#include "engine/layers/text_ends.h"
#include "engine/models/architectures.h"
#include "kernels/ops/recurrence.h"

namespace tessera {
namespace {

class RecurrentModel final : public Model {
 public:
  RecurrentModel(const ModelShape& shape, Region& weights);

  absl::Status load(const ModelFolder& folder, Stream& stream) override;
  std::vector<Site> sites() const override;
  void forward(const Pass& pass) const override;
  Tensor logits(const Pass& pass, const Tensor& rows) const override {
    return ends_.logits(pass.stream, pass.batch, pass.scratch, rows);
  }

 private:
  struct Block {
    Tensor mixer_gain, mlp_gain;  // [D] f32
    LinearLayer in, out;          // in: input, decay and gate side by side
    FeedForward feed_forward;
  };

  Tensor mix(const Pass& pass, const RowSet& active, int layer, const Tensor& normed) const;

  Rank rank_;
  float norm_epsilon_;
  std::vector<Block> blocks_;
  TextEnds ends_;
};

RecurrentModel::RecurrentModel(const ModelShape& shape, Region& weights)
    : rank_(shape.rank),
      norm_epsilon_(shape.config->norm_epsilon),
      ends_(weights, shape.dtype, *shape.config, shape.shard, shape.rank) {
  const ModelConfig& config = *shape.config;
  const int64_t D = config.width, C = config.state_width;
  const Slice channels = shape.shard.channels, whole{0, D};
  for (int layer = 0; layer < config.layers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    Block block;
    block.mixer_gain = weights.allocate(DType::kF32, {D});
    block.mlp_gain = weights.allocate(DType::kF32, {D});
    block.in = LinearLayer(weights, shape.dtype,
                           {{at + "mixer.input_proj", C, D, channels, whole},
                            {at + "mixer.decay_proj", C, D, channels, whole},
                            {at + "mixer.gate_proj", C, D, channels, whole}},
                           true);
    block.out = LinearLayer(weights, shape.dtype,
                            {{at + "mixer.output_proj", D, C, whole, channels}}, false);
    block.feed_forward =
        FeedForward(weights, shape.dtype, at + "mlp", config, shape.shard, shape.rank);
    blocks_.push_back(std::move(block));
  }
}

absl::Status RecurrentModel::load(const ModelFolder& folder, Stream& stream) {
  const TensorFiles& files = folder.tensors();
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    const Block& block = blocks_[layer];
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    absl::Status status = load_gain(files, at + "mixer_norm.weight", block.mixer_gain, stream);
    status.Update(load_gain(files, at + "mlp_norm.weight", block.mlp_gain, stream));
    status.Update(block.in.load(files, stream));
    status.Update(block.out.load(files, stream));
    status.Update(block.feed_forward.load(files, stream));
    if (!status.ok()) return status;
    // As in DecoderModel: packed pages go at once, by the last rank that needs them.
    stream.wait(stream.record());
    if (rank_.index != rank_.count - 1) continue;
    block.in.release(files);
    block.out.release(files);
    block.feed_forward.release(files);
  }
  return ends_.load(files, stream);
}

std::vector<Site> RecurrentModel::sites() const {
  std::vector<Site> sites;
  for (int layer = 0; layer < static_cast<int>(blocks_.size()); ++layer) {
    sites.push_back({layer, Part::kMixer});
    sites.push_back({layer, Part::kMlp});
  }
  return sites;
}

void RecurrentModel::forward(const Pass& pass) const {
  const Tensor rows = ends_.embed(pass.stream, pass.batch, pass.memory, pass.scratch);
  Residual residual(pass.stream, pass.batch, rows, pass.scratch.normed, norm_epsilon_);
  for (int layer = 0; layer < static_cast<int>(blocks_.size()); ++layer) {
    residual.add(2 * layer, blocks_[layer].mixer_gain,
                 [&](const RowSet& active, const Tensor& normed) {
                   return mix(pass, active, layer, normed);
                 });
    residual.add(2 * layer + 1, blocks_[layer].mlp_gain, [&](const RowSet&, const Tensor& normed) {
      return blocks_[layer].feed_forward(pass.stream, pass.scratch, normed);
    });
  }
  residual.flush();
}

Tensor RecurrentModel::mix(const Pass& pass, const RowSet& active, int layer,
                           const Tensor& normed) const {
  const Block& block = blocks_[layer];
  const Tensor in = pass.scratch.scan_in.rows(0, active.rows);
  const Tensor out = pass.scratch.scan_out.rows(0, active.rows);
  const Tensor delta = pass.scratch.delta.rows(0, active.rows);
  block.in(pass.stream, normed, in);
  gated_scan(pass.stream, {.inputs = in,
                           .segments = active.state_segments,
                           .parents = pass.batch.parents,
                           .node_slots = pass.batch.states.node_slots,
                           .segment_count = active.segments,
                           .states = pass.states[layer],
                           .out = out});
  block.out(pass.stream, out, delta);
  return sum_over_ranks(pass.stream, rank_, delta);
}

}  // namespace

std::unique_ptr<Model> make_tessera_recurrent(const ModelShape& shape, Region& weights) {
  return std::make_unique<RecurrentModel>(shape, weights);
}

}  // namespace tessera
