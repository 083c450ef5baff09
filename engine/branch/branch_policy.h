// The socket of techniques that decide, per step and residual branch, whether a segment computes
// it. A policy object belongs to one request; it is asked on the engine thread before a step is
// launched and holds no tensors. Its answers depend on the request alone, never on batch-mates.
#pragma once

#include <string>
#include <vector>

#include "engine/batch/step_plan.h"
#include "engine/registry/registry.h"

namespace tessera {

// What mixes positions (attention or a recurrence), and what works on each alone.
enum class Part : uint8_t { kMixer, kMlp };

// One residual branch of the model. Sites are numbered in execution order.
struct Site {
  int layer = 0;
  Part part = Part::kMixer;
};

// What a policy may know about the model when it is made.
struct BranchModel {
  int layers = 0;
  std::vector<Site> sites;
};

class BranchPolicy {
 public:
  virtual ~BranchPolicy() = default;

  // A verdict per site for rows of prompt tokens (`of_prompt`) or of generated tokens. A generated
  // token keeps its verdicts for ever: when it is recomputed after preemption they are asked again.
  virtual std::vector<Verdict> verdicts(bool of_prompt) const = 0;

  // Layers whose attention never runs for generated tokens: they store no KV for them, and read
  // none, so the KV of the prompt may be freed there once the prompt is done.
  virtual std::vector<int> layers_without_generated_kv() const = 0;

  // Names everything about the policy that changes KV contents; part of the prefix-cache namespace.
  virtual std::string kv_namespace() const = 0;
};

using BranchPolicies = Registry<BranchPolicy, BranchModel>;

}  // namespace tessera
