// What tests of solvers share: all solvers by name, and the execution of their combinations on
// plain vectors, as the op of the kernels does it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "engine/denoise/solver_registry.h"
#include "engine/denoise/solvers/ddim.h"
#include "engine/denoise/solvers/ddpm.h"
#include "engine/denoise/solvers/dpmpp_2m.h"
#include "engine/denoise/solvers/flow_euler.h"
#include "gtest/gtest.h"

namespace tessera {

inline Solvers all_solvers() {
  Solvers solvers;
  solvers.add<Ddim>("ddim");
  solvers.add<Ddpm>("ddpm");
  solvers.add<DpmPp2m>("dpmpp_2m");
  solvers.add<FlowEuler>("flow_euler");
  return solvers;
}

using Operands = std::map<Operand, std::vector<float>>;

inline void carry_out(const Combination& combination, Operands& operands) {
  const size_t count = operands.at(Operand::kLatents).size();
  std::vector<float> out(count);
  for (size_t at = 0; at < count; ++at) {
    float sum = 0;
    for (size_t term = 0; term < combination.terms.size(); ++term) {
      const auto& [operand, coefficient] = combination.terms[term];
      const float value = operands.at(operand)[at];
      sum = term == 0 ? coefficient * value : std::fmaf(coefficient, value, sum);
    }
    out[at] = combination.clip > 0 ? std::clamp(sum, -combination.clip, combination.clip) : sum;
  }
  operands[combination.out] = out;
}

inline void carry_out(const std::vector<Combination>& combinations, Operands& operands) {
  for (const Combination& combination : combinations) {
    ASSERT_LE(combination.terms.size(), 6u);
    ASSERT_FALSE(combination.terms.empty());
    carry_out(combination, operands);
  }
  // Scratch does not live past the step.
  operands.erase(Operand::kDenoised);
  operands.erase(Operand::kNoise);
}

}  // namespace tessera
