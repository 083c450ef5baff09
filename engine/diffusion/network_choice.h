// The network of a pipeline, and what a request of it is where it says nothing: sizes as the
// network was trained, steps and guidance as the pipeline's own defaults in diffusers. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/weights/diffusers/pipeline_config.h"

namespace tessera {

struct Network {
  DenoiserFactory make;
  LatentShape shape;
  int64_t default_steps = 50;
  double default_guidance = 1;
};

// The error names a value of the scheduler's config.
absl::StatusOr<Network> network_of(const PipelineConfig& config, DType dtype);

}  // namespace tessera
