// The Architecture socket of diffusion: how a denoising network is wired. A denoiser object is one
// checkpoint's network: it allocates weights and scratch in regions, loads through a stream, and
// appends the ops of its passes. Owned by a diffusion engine; used on its thread; touches no tensor
// memory.
//
// Axis letters: T token rows of a step (all segments packed), D width, W width of a modulation row.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "engine/denoiser/denoise_batch.h"
#include "engine/weights/tensor_files.h"

namespace tessera {

// What conditions the network beside the timestep.
enum class Conditioning : uint8_t { kClass, kPrompt, kObservation };

struct DenoiserFacts {
  Conditioning conditioning = Conditioning::kClass;
  int latent_channels = 0;       // of input and output; variance channels are dropped by head()
  int patch = 1;                 // tokens are patch x patch latent pixels of one frame
  bool video = false;            // frames are an axis; else there is one
  int64_t width = 0;             // D
  int64_t modulation_width = 0;  // W
  int time_width = 0;            // of the sinusoid that modulate() takes
  TimeEmbedding time{};          // which sinusoid
  int classes = 0;               // kClass: labels 0..classes-1, `classes` itself is the null class
  int64_t prompt_width = 0;      // kPrompt: of prompt rows; kObservation: of one observation
  int64_t prompt_tokens_max = 0;
  int condition_first_key =
      0;  // keys before those of the condition's rows: one that changes by step
  bool context_stream = false;  // the condition's rows are a second stream of every step
  int64_t pooled_width = 0;     // 0 = no pooled prompt
  int extra_conditions = 0;     // scalars beside the timestep (PixArt: height, width, aspect ratio)
  bool guided = true;           // the network knows an unconditional branch
  int context_layers = 0;       // layers that keep K and V of the condition in pages
  int heads = 0, head_width = 0;
};

struct DenoiserLimits {
  int rows_max = 0;         // T, image rows and context rows together
  int condition_rows = 0;   // rows of one condition() call
  int modulation_rows = 0;  // rows of one modulate() call
};

// One row per timestep: everything that depends on it (and on the label or the pooled prompt), but
// on no latent.
struct ModulationPass {
  Stream& stream;
  Tensor time;    // in   [n, time_width]  weights' type: sinusoids of the timesteps
  Tensor labels;  // in   [n]  i32, kClass
  Tensor pooled;  // in   [n, pooled_width]  weights' type
  Tensor extra;   // in   [n, extra_conditions * time_width]  weights' type: sinusoids of the extras
  Tensor out;     // out  [n, W]  f32
};

// Once per job and branch: what depends on the condition alone.
struct ConditionPass {
  Stream& stream;
  Tensor rows;      // in   [n, prompt_width]  weights' type
  Tensor kv_slots;  // in   [n]  i32: where K and V of row r go in the condition pages
  Tensor context;   // in   [n]  i32: where row r goes in the context store (joint attention)
  const ConditionMemory& memory;
};

struct DenoisePass {
  Stream& stream;
  const DenoiseBatch& batch;
  const DenoiseMemory& memory;
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;

  virtual const DenoiserFacts& facts() const = 0;
  // Residual branches in execution order; two streams of a joint model have sites of their own.
  virtual std::vector<DenoiserSite> sites() const = 0;
  // INVALID_ARGUMENT when the network cannot work on latents of this shape; names the bound.
  virtual absl::Status check(const LatentShape& shape) const = 0;
  virtual int64_t image_tokens(const LatentShape& shape) const = 0;

  virtual void allocate_scratch(Region& scratch, const DenoiserLimits& limits) = 0;
  virtual absl::Status load(const TensorFiles& files, Stream& stream) = 0;

  // Makes the position table of this shape ready (uploads it when it is new) and tells the rows of
  // its tables that each token of a segment adds. RESOURCE_EXHAUSTED when too many different shapes
  // are live at once.
  virtual absl::StatusOr<PositionRows> positions(const LatentShape& shape, Stream& stream) = 0;

  virtual void modulate(const ModulationPass& pass) const = 0;
  virtual void condition(const ConditionPass& pass) const = 0;

  // The three parts of a step. blocks() may be called for consecutive ranges with other site tables
  // in between: everything that passes from one part to the next lies in scratch.
  virtual void embed(const DenoisePass& pass) const = 0;
  virtual void blocks(const DenoisePass& pass, int first, int end) const = 0;
  virtual void head(const DenoisePass& pass) const = 0;  // to the pool, at each output_offset

  virtual int block_count() const = 0;
  // The stream, [T, D] f32: what a probe looks at between two parts.
  virtual Tensor residual() const = 0;
};

}  // namespace tessera
