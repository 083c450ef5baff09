// One denoising step laid out as device arrays: the rows of all segments packed, who computes at
// which site, which pages attention reads. Made by a diffusion engine for each step from a
// DenoisePlan, by one upload; the views are valid until the next step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/batch/batch.h"
#include "engine/batch/site_rows.h"
#include "engine/branch/residual.h"
#include "engine/branch/site_kind.h"
#include "engine/layers/activations.h"
#include "kernels/core/memory.h"
#include "kernels/core/stream.h"

namespace tessera {

// Of one sample, in elements; stored [channels][frames][height][width].
struct LatentShape {
  int channels = 0, frames = 1, height = 1, width = 1;
  int64_t elements() const { return int64_t{channels} * frames * height * width; }
  friend bool operator==(const LatentShape&, const LatentShape&) = default;
};

// How the rows of a segment meet in attention at a site.
enum class RowLayout : uint8_t {
  kFlat,      // not at all
  kSpatial,   // rows of a frame, all with all
  kTemporal,  // rows of a patch, over all frames
  kCross,     // rows with the condition's pages
  kCausal,    // row t with rows 0..t
  kMemory,    // row t with condition rows 0..t+1
  kJoint,     // image rows and context rows of a segment, all with all
};

struct DenoiserSite {
  int block = 0;
  SiteKind kind = SiteKind::kSelf;
  RowLayout layout = RowLayout::kFlat;
  bool context = false;  // a branch of the context stream (joint models)
  // False: the branch only lends keys and values to its twin in the other stream; it adds nothing,
  // so there is nothing to keep.
  bool adds = true;
};

// A sinusoid of the timestep: frequencies exp(-ln(10000) j / (half - shift)).
struct TimeEmbedding {
  bool cosine_first = true;
  int shift = 0;  // 1 in DiT and in the diffusion policy
};

// Rows of the position tables that each image token of a segment adds, in token order.
struct PositionRows {
  std::vector<int32_t> a, b;  // b is empty where one table holds all columns
  // Of a table that is added within the first block (the frames of a video); empty where there is
  // none. `no_late` is its row of zeros, for segments that do not run the first block: what they
  // reuse of it holds the addition already.
  std::vector<int32_t> late;
  int32_t no_late = 0;
};

// The latents of one sample under one guidance branch.
struct DenoiseSegment {
  LatentShape shape;
  int32_t row_begin = 0, row_count = 0;          // image rows of the step
  int32_t context_begin = 0, context_count = 0;  // rows of the context stream, after all image rows
  int64_t input_offset = 0;                      // floats into the pool: the latents
  int64_t output_offset = 0;                     // where the network's answer goes
  int32_t modulation = 0;                        // row of the modulation in this step
  int32_t condition_page = 0;                    // first entry in DenoiseBatch::condition_pages
  int32_t condition_keys = 0;                    // rows of the condition
  int32_t context_store = 0;                     // first row in the context store
};

struct ConditionMemory {
  std::vector<KvLayer> pages;  // per context layer
  Tensor context;              // [rows, D] f32: initial rows of the context stream, joint models
};

struct DenoiseMemory {
  Tensor pool;        // [floats]  f32: latents, answers, noise, solver history of all jobs
  Tensor modulation;  // [rows, W] f32
  Tensor features;    // [slots, D] f32
  Tensor integers;    // one step's arrays
  KvLayer pages;      // K and V of the rows of one site
  ConditionMemory condition;
};

struct DenoiseBatch {
  int rows = 0;          // T
  int context_rows = 0;  // of these, the last
  std::vector<DenoiseSegment> segments;
  std::vector<RowSet> row_sets;
  std::vector<int> set_of_site;
  std::vector<SiteFeatures> features;  // per site
  std::vector<RangeSite> ranges, context_ranges;
  Tensor modulation;                             // [T] i32 rows of the modulation
  Tensor position_a, position_b, position_late;  // [T - context_rows] i32, or empty
  Tensor segment_modulation;                     // [segments] i32
  Tensor first_key_slots;  // [segments] i32: slot of each condition's first key; -1 = another's too
  Tensor context_rows_in_store;   // [context_rows] i32
  Tensor pages, condition_pages;  // [*] i32 page ids that row sets' segments point into

  SiteClock* clock = nullptr;  // of this pass; not owned

  SiteTable table(const DenoiseMemory& memory) const {
    return {row_sets, set_of_site, features, ranges, memory.features, clock};
  }
  SiteTable context_table(const DenoiseMemory& memory) const {
    return {row_sets, set_of_site, features, context_ranges, memory.features, clock};
  }
};

}  // namespace tessera
