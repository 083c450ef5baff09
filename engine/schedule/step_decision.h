// Who runs how many rows in the next step, and who gives its memory back. Plain data.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/ids.h"
#include "engine/schedule/cost_model.h"

namespace tessera {

// prompt: rows of known tokens; decode: the root alone; verify: the root and drafts.
enum class RowKind : uint8_t { kPrompt, kDecode, kVerify };

struct Grant {
  SequenceId sequence = kNoSequence;
  RowKind kind = RowKind::kPrompt;
  int64_t position = 0;  // of the first row
  int64_t rows = 0;
  bool samples = false;          // the last row of a prompt; every row of decode and verify
  bool token_in_flight = false;  // decode: the token is the one sampled by the step before
  friend bool operator==(const Grant&, const Grant&) = default;
};

struct StepDecision {
  std::vector<Grant> grants;          // decode and verify first, then prompts
  std::vector<SequenceId> admitted;   // waiting ones among the grants
  std::vector<SequenceId> preempted;  // disjoint from the grants
  StepShape shape;                    // what the grants compute
  // Nothing can run, nothing is in flight and work waits: fail this one with RESOURCE_EXHAUSTED.
  SequenceId stuck = kNoSequence;
  bool empty() const { return grants.empty() && preempted.empty(); }
};

}  // namespace tessera
