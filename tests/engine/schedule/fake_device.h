// A device for the simulation: it stores in every KV slot and in every state slot a hash of all the
// tokens up to that position, "computes" each row by checking that every position the row may see
// holds what it ought to, and draws the next token from that hash. So wrong sharing, a page freed
// or reused too early and a lost copy all show, and the right output of a prompt is known without
// scheduling.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/schedule/ledger.h"

namespace tessera {

using KvHash = uint64_t;

KvHash hash_token(KvHash before, int32_t token, bool as_prompt);
KvHash hash_start(const std::string& name_space);
// The token the fake model draws after a prefix; a small vocabulary, so that prefixes meet.
int32_t next_token(KvHash prefix, uint64_t output_seed);

// What the host tells the device about one sequence.
struct FakeSequence {
  std::vector<int32_t> prompt;
  std::string name_space;
  int64_t outputs_differ_from = kNoEnd;  // positions from here on are computed as outputs
  uint64_t output_seed = 0;
};

// The outputs of a sequence when nothing else ever runs.
std::vector<int32_t> expected_outputs(const FakeSequence& seq, int64_t count);

// One grant as the builder would lay it out: everything is copied at launch.
struct FakeSegment {
  Grant grant;
  const FakeSequence* seq = nullptr;
  std::vector<int32_t> tokens;  // known at launch, from position 0
  std::vector<std::vector<BlockId>> tables;
  std::vector<int64_t> ends;  // by group
  StateSlots slots;
  std::vector<int32_t> path;  // verify: nodes accepted besides the root, ascending
};

struct FakeStep {
  StepId id = 0;
  std::vector<PageCopy> copies;
  std::vector<StateCopy> state_copies;
  std::vector<FakeSegment> segments;
};

class FakeDevice {
 public:
  explicit FakeDevice(const LedgerShape& shape);

  // Runs a step; tokens per segment. Complaints about what rows saw go to `wrong`.
  std::vector<std::vector<int32_t>> run(const FakeStep& step, std::vector<std::string>& wrong);
  // KV and state from elsewhere: the positions of `tokens` but the last, where the tables have
  // pages.
  void import(const FakeSegment& segment);
  void forget(SequenceId id) { drawn_.erase(id); }

 private:
  std::vector<int32_t> run_segment(const FakeSegment& segment, std::vector<std::string>& wrong);
  void check_visible(const FakeSegment& segment, const std::vector<KvHash>& prefix,
                     int64_t position, std::vector<std::string>& wrong) const;
  void store(const FakeSegment& segment, int64_t position, KvHash hash);
  void check_state(const FakeSegment& segment, const std::vector<KvHash>& prefix,
                   std::vector<std::string>& wrong) const;

  KvCacheShape shape_;
  std::vector<std::vector<KvHash>> slots_;  // by group
  std::vector<KvHash> states_;              // by state slot
  std::map<SequenceId, int32_t> drawn_;     // last token drawn
};

}  // namespace tessera
