// The GuidancePolicy socket: whether the unconditional branch of a sample runs at a step, and how
// the two answers become one. A guidance object belongs to one job, holds no tensors, and is asked
// on the engine thread before each step; its answers for a sample depend on that sample alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/registry/registry.h"

namespace tessera {

struct GuidanceJob {
  int samples = 1;
  bool has_unconditional = true;  // the model knows an unconditional branch
};

// guided = conditional * c + unconditional * u: c is the scale, u is 1 - scale.
struct GuidanceMix {
  float conditional = 1;
  float unconditional = 0;
};

// In which space the answers of the two branches are compared: as they are, or as the clean latents
// that they predict (Solver::denoised).
enum class GuidanceSpace : uint8_t { kOutput, kDenoised };

// Sums over the elements of one sample's two answers.
struct AnswerProducts {
  double mixed = 0;          // conditional . unconditional
  double conditional = 0;    // conditional . conditional
  double unconditional = 0;  // unconditional . unconditional
};

class Guidance {
 public:
  virtual ~Guidance() = default;

  // Whether the unconditional branch runs for `sample` at `step`. Once false, it stays false: what
  // the branch held is given away.
  virtual bool guides(int sample, int step) const = 0;
  // Where guides() is true.
  virtual GuidanceMix mix() const = 0;
  // What must be observed at a step that guides; nothing = do not measure.
  virtual std::optional<GuidanceSpace> probe(int sample, int step) const = 0;
  // After a step whose probe is set.
  virtual void observe(int sample, int step, const AnswerProducts& products) = 0;
};

using GuidancePolicies = Registry<Guidance, GuidanceJob>;

// The scale of a job: guidance is on where it is above 1, as in the pipelines of diffusers.
// INVALID_ARGUMENT where the model has no branch to guide with.
absl::Status check_scale(std::string_view policy, double scale, const GuidanceJob& job);
GuidanceMix mix_of(double scale);

}  // namespace tessera
