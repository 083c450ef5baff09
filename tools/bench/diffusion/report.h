// What the benchmark says: a table for people and one line of JSON. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/diffusion/action_section.h"
#include "tools/bench/diffusion/batching_section.h"
#include "tools/bench/diffusion/picture_section.h"
#include "tools/bench/diffusion/random_section.h"

namespace tessera {

// Sections that were not asked for are absent.
struct DiffusionReport {
  std::vector<PictureSectionResult> pictures;  // images, videos
  std::optional<ActionSectionResult> actions;
  std::optional<BatchGain> policy_batch, image_batch;
  std::optional<LateArrival> late_arrival;
  std::vector<RandomSectionResult> random;
};

std::string table_text(const DiffusionReport& report);
// Keys as README.md in this folder describes them; no line break.
std::string json_text(const DiffusionReport& report);

}  // namespace tessera
