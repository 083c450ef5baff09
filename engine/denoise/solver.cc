#include "engine/denoise/solver.h"

#include <algorithm>

namespace tessera {

Combination affine(Operand out, std::initializer_list<std::pair<Operand, double>> terms,
                   double clip) {
  Combination combination{out, {}, static_cast<float>(clip)};
  for (const auto& [operand, coefficient] : terms) {
    const auto rounded = static_cast<float>(coefficient);
    if (rounded != 0) combination.terms.push_back({operand, rounded});
  }
  if (combination.terms.empty()) combination.terms.push_back({terms.begin()->first, 0});
  return combination;
}

SolverNeeds needs_of(const Solver& solver) {
  SolverNeeds needs;
  for (int index = 0; index < solver.steps().size(); ++index) {
    const std::vector<Combination> combinations = solver.step(index);
    needs.noise_draws += reads_noise(combinations) ? 1 : 0;
    for (const Combination& combination : combinations) {
      if (combination.out == Operand::kDenoised) needs.denoised = true;
      if (combination.out == Operand::kHistory0) needs.histories = std::max(needs.histories, 1);
      if (combination.out == Operand::kHistory1) needs.histories = 2;
    }
  }
  return needs;
}

}  // namespace tessera
