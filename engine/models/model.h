// The Architecture socket: how layers are wired. A model object is one rank's share of one
// checkpoint: it allocates its weights in a region, loads them through a stream, and appends the
// ops of a forward pass. Owned by a rank worker; used on the engine thread; touches no tensor
// memory.
#pragma once

#include <memory>
#include <vector>

#include "engine/branch/branch_policy.h"
#include "engine/layers/activations.h"
#include "engine/weights/model_folder.h"

namespace tessera {

// What a forward needs and nothing more.
struct Pass {
  Stream& stream;
  const Batch& batch;
  const BatchMemory& memory;
  const Activations& scratch;
  const std::vector<KvLayer>& kv;            // [L] empty where a layer is recurrent
  const std::vector<Tensor>& states;         // [L] [slots, C] f32, empty where a layer attends
  const std::vector<int>& group_of_layer;    // [L] attention group, -1 where a layer is recurrent
  const std::vector<AttentionSpec>& groups;  // what each group's layers attend to
};

class Model {
 public:
  virtual ~Model() = default;

  virtual absl::Status load(const ModelFolder& folder, Stream& stream) = 0;

  // Residual branches in execution order.
  virtual std::vector<Site> sites() const = 0;

  // Rows of the batch through all layers; stores KV, advances states, leaves the finished stream in
  // scratch.residual.
  virtual void forward(const Pass& pass) const = 0;

  // Logits [R', V] of rows `rows` [R'] of the finished stream.
  virtual Tensor logits(const Pass& pass, const Tensor& rows) const = 0;
};

// Makes one rank's share. Factories are registered by the checkpoint's architecture name.
struct ModelShape {
  const ModelConfig* config;
  Shard shard;
  Rank rank;
  DType dtype;            // of weights, activations and KV: kBf16 or kF32
  int64_t positions_max;  // rows of the rotation table
};
using ModelFactory = std::unique_ptr<Model> (*)(const ModelShape& shape, Region& weights);

}  // namespace tessera
