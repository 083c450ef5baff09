// The socket of techniques that guess the next tokens so that one step can check several. One
// proposer per output, owned by the engine, asked on the engine thread. It sees committed tokens
// only, so it can be rebuilt after preemption. Whatever it proposes, the output is what plain
// decoding would give (verification by sample-then-match, kernels/ops/sample.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/registry/registry.h"

namespace tessera {

// A tree of guesses below the root (the last emitted token). Siblings carry different tokens.
struct Draft {
  std::vector<int32_t> tokens;   // [drafts]
  std::vector<int32_t> parents;  // [drafts]  index of an earlier draft, or -1 for the root
};

class Proposer {
 public:
  virtual ~Proposer() = default;

  // `context`: prompt and output so far, the root last; grows from call to call. At most
  // `drafts_max` drafts and paths of at most `depth_max`.
  virtual Draft propose(std::span<const int32_t> context, int drafts_max, int depth_max) = 0;
};

using Proposers = Registry<Proposer>;

// Adds `chain` below the root, sharing the prefix it has in common with what is there, while fewer
// than `drafts_max` drafts are held.
void merge_chain(std::span<const int32_t> chain, int drafts_max, Draft& draft);

}  // namespace tessera
