// What one denoising step computes, as plain data: the segments, what each does at every site, and
// where its features lie. Made by the engine from its jobs; laid out as a DenoiseBatch.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/denoiser/denoise_batch.h"

namespace tessera {

enum class FeatureVerdict : uint8_t { kCompute, kComputeAndKeep, kReuse, kSkip };

// Rows of the feature store come in blocks of kFeatureBlockRows; row r of a segment's site lies in
// block r / kFeatureBlockRows.
constexpr int kFeatureBlockRows = 16;

struct SiteDecision {
  FeatureVerdict verdict = FeatureVerdict::kCompute;
  bool gated = false;           // the gate is part of what is kept
  std::vector<int32_t> blocks;  // of the feature store; empty unless kept or reused
};

struct RangeDecision {
  int first_block = 0, last_block = 0;
  FeatureVerdict verdict = FeatureVerdict::kCompute;  // kComputeAndKeep or kReuse
  std::vector<int32_t> blocks;                        // image rows, then context rows
};

struct PlannedSegment {
  DenoiseSegment segment;  // row_begin and context_begin are set by the layout
  const PositionRows* positions = nullptr;
  std::vector<int32_t> condition_pages;  // page ids, in key order
  std::vector<SiteDecision> sites;       // per site of the model; empty = compute everything
  std::vector<RangeDecision> ranges;     // at most one per (first, last)
};

struct DenoisePlan {
  std::vector<PlannedSegment> segments;
};

struct DenoiseBatchLimits {
  int rows_max = 0;
  int segments_max = 0;
  int condition_rows_max = 0;  // of one segment
  int sites = 0;
  int smallest_attention = 1;  // fewest rows that meet at a site (frames of a video)
  int64_t integers_max() const;
  int64_t pages_max() const;  // of DenoiseMemory::pages
};

// Lays out `plan` and appends the upload to `stream`. REQUIRES: within `limits`.
DenoiseBatch build_denoise_batch(const DenoisePlan& plan, const std::vector<DenoiserSite>& sites,
                                 const DenoiseBatchLimits& limits, const DenoiseMemory& memory,
                                 Stream& stream);

}  // namespace tessera
