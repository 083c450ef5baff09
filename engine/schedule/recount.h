// Recounts the invariants of engine/README.md from a copy of the ledger's state, trusting none of
// its counters. Pure; used by the simulation and after every step in debug builds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cache/group_spec.h"
#include "engine/cache/prefix_index.h"
#include "engine/schedule/sequence.h"

namespace tessera {

struct BlockImage {
  int32_t uses = 0;
  bool published = false;
};

struct GroupImage {
  GroupSpec spec;
  std::vector<BlockImage> blocks;
  int64_t free = 0, cached = 0;        // as the pool counts them
  std::vector<BlockId> indexed;        // blocks that an entry of the prefix index names
  std::vector<BlockId> pending_drops;  // uses that end with a step in flight
};

struct SequenceImage {
  SequenceId id = kNoSequence;
  SequenceState state = SequenceState::kWaiting;
  int64_t prompt_len = 0, fill_len = 0, committed_len = 0, allocated_len = 0, next_position = 0;
  int64_t tokens = 0, expected_tokens = 0, max_tokens_total = 0;
  int32_t in_flight = 0, steps = 0;  // as counted by the sequence; steps in flight that name it
  bool pinned = false, fork_ready = false, drafts_in_flight = false;
  std::vector<std::vector<BlockId>> tables;  // by group
  std::vector<int64_t> ends;                 // by group
  StateSlots slots;
};

struct LedgerImage {
  std::vector<GroupImage> groups;
  std::vector<SequenceImage> sequences;
  int slots_total = 0, slots_free = 0;
};

// Empty when everything holds.
std::vector<std::string> recount(const LedgerImage& image);

}  // namespace tessera
