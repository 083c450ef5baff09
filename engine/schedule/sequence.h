// A sequence: one output of one request, as the scheduler sees it. Created by Ledger::admit,
// changed by the ledger alone, gone when the ledger reports it released. Engine thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/api/ids.h"
#include "engine/cache/kv_cache.h"
#include "engine/cache/slot_table.h"

namespace tessera {

constexpr double kNoDeadline = std::numeric_limits<double>::infinity();
constexpr uint64_t kAllGroups = ~uint64_t{0};

// Times are seconds on the engine's clock, whatever its zero is.
struct SequenceSpec {
  SequenceId id = kNoSequence;
  std::vector<int32_t> prompt = {};  // at least one token
  int64_t max_tokens_total = 0;      // prompt and output together; > prompt.size()
  int32_t priority = 0;              // higher goes first
  bool best_effort = false;
  double arrival_seconds = 0;
  double deadline_seconds = kNoDeadline;
  // Cache salt and every policy that changes KV; sequences share prefixes only within one.
  std::string cache_namespace = {};
  bool prefix_caching = true;
  // Whether pages that hold outputs may be published (not when outputs are computed otherwise than
  // prompts; implied by a missing group below).
  bool publish_outputs = true;
  // Bit g: attention group g stores positions >= prompt.size(). A group without its bit gives its
  // pages back when the prompt is done (layer skipping).
  uint64_t groups_after_prompt = kAllGroups;
  // Another output of the same prompt, admitted before: this one waits until the prompt of that one
  // is computed and shares its KV. The prompts are equal.
  SequenceId fork_of = kNoSequence;
};

// How often drafts of a sequence were right lately. Only those count that were decided: along the
// accepted path, and the one that ended it.
class DraftRecord {
 public:
  void verified(int64_t drafts, int64_t accepted) {
    fade(0.9);
    decided_ += static_cast<double>(std::min(drafts, accepted + 1));
    accepted_ += static_cast<double>(accepted);
  }
  // What a sequence shows without drafts is nothing: in time they are worth another try.
  void decoded_plainly() { fade(0.97); }
  // The chance of a draft whose parent is accepted; 1 while nothing is known.
  double acceptance() const { return (1 + accepted_) / (1 + decided_); }

 private:
  void fade(double kept) {
    decided_ *= kept;
    accepted_ *= kept;
  }
  double decided_ = 0, accepted_ = 0;
};

enum class SequenceState : uint8_t {
  kWaiting,    // in the queue; holds blocks only as a fork that has not run yet
  kRunning,    // admitted: holds blocks and counts against seqs_max
  kPreempted,  // gives its blocks back when nothing of it is in flight, then waits again
  kRetiring,   // finished or cancelled: released when nothing of it is in flight
};

struct Sequence {
  SequenceSpec spec;
  SequenceState state = SequenceState::kWaiting;

  std::vector<int32_t> tokens;  // prompt and emitted tokens; the last emitted one is the root
  int64_t prompt_len = 0;       // tokens given by the client
  int64_t fill_len = 0;       // positions computed as prompt: prompt_len, or more after preemption
  int64_t committed_len = 0;  // positions whose KV is final
  int64_t allocated_len = 0;  // positions that have slots
  int64_t next_position = 0;  // committed_len plus rows in flight (one per step without drafts)
  int32_t in_flight = 0;      // launched, uncommitted steps that touch it, and transfers
  int32_t tokens_in_flight = 0;  // tokens that steps in flight will emit for certain
  bool drafts_in_flight = false;
  bool pinned = false;      // a KV transfer is under way: gets no rows
  int64_t rows_wanted = 1;  // root and drafts of the next decode step
  DraftRecord draft_record;
  int32_t preemptions = 0;
  int64_t cached_tokens = 0;  // of the prompt, found in the prefix cache at the last admission

  BlockTables tables;                  // by group
  StateSlots slots;                    // constant-state models
  EntryId published_entry = kNoEntry;  // of page published_pages - 1
  int64_t published_pages = 0;
  bool publishing = false;    // its pages still extend a chain of the index
  int32_t forks_pending = 0;  // children that wait for this prompt
  bool fork_ready = false;    // a child that holds its parent's pages

  // Tokens once every step in flight has committed.
  int64_t expected_tokens() const { return static_cast<int64_t>(tokens.size()) + tokens_in_flight; }
  bool in_prompt() const { return next_position < fill_len; }
  // Positions at or beyond it are not stored in this group.
  int64_t group_end(int group) const {
    return (spec.groups_after_prompt >> group & 1) != 0 ? kNoEnd : prompt_len;
  }
};

}  // namespace tessera
