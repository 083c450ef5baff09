// The Solver socket: how the latents of one step become those of the next. A solver object belongs
// to one job and holds no tensors: for every step it says which affine combinations of named
// tensors to apply, so the engine needs one op for all solvers. Made at admission, immutable,
// asked on the engine thread; its answers depend on the step index alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "engine/denoise/step_list.h"

namespace tessera {

// The tensors of one sample, all of the latents' shape.
enum class Operand : uint8_t {
  kLatents,   // x: what the model was given, and what a step writes last
  kOutput,    // e: what the model answered, after guidance
  kNoise,     // standard normal, drawn for this step
  kDenoised,  // scratch: predicted clean latents, dead after the step
  kHistory0,  // kept between steps
  kHistory1,
};

struct AffineTerm {
  Operand operand;
  float coefficient;  // computed in double, rounded once
};

// out = sum of terms, then clamped to [-clip, clip] where clip > 0. `out` may be among the terms.
struct Combination {
  Operand out;
  std::vector<AffineTerm> terms;  // at most 6, none with coefficient 0
  float clip = 0;
};

struct SolverNeeds {
  int histories = 0;      // kHistory0.. that must live as long as the job
  bool denoised = false;  // kDenoised is used
  int noise_draws = 0;    // steps that read kNoise
};

class Solver {
 public:
  virtual ~Solver() = default;

  virtual const StepList& steps() const = 0;
  virtual SolverNeeds needs() const = 0;
  // To be applied in order, each reading what the ones before wrote. The last writes kLatents.
  virtual std::vector<Combination> step(int index) const = 0;
  // The clean latents that the answer of this step predicts, out of kLatents and kOutput into
  // kDenoised: for previews, and for guidance that compares predictions.
  virtual Combination denoised(int index) const = 0;
};

inline bool reads_noise(const std::vector<Combination>& combinations) {
  for (const Combination& combination : combinations) {
    for (const AffineTerm& term : combination.terms) {
      if (term.operand == Operand::kNoise) return true;
    }
  }
  return false;
}

// out = sum of the terms whose rounded coefficient is not 0. REQUIRES: one is not.
Combination affine(Operand out, std::initializer_list<std::pair<Operand, double>> terms,
                   double clip = 0);

// The needs of a solver whose steps are known.
SolverNeeds needs_of(const Solver& solver);

}  // namespace tessera
