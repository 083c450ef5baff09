#include "engine/schedule/recount.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

class Recount {
 public:
  explicit Recount(const LedgerImage& image) : image_(image) {}
  std::vector<std::string> run() {
    for (size_t group = 0; group < image_.groups.size(); ++group) count_blocks(group);
    for (const SequenceImage& seq : image_.sequences) {
      check_lengths(seq);
      for (size_t group = 0; group < image_.groups.size(); ++group) check_table(seq, group);
    }
    count_slots();
    return std::move(broken_);
  }

 private:
  template <class... Parts>
  void fail(const Parts&... parts) {
    broken_.push_back(absl::StrCat(parts...));
  }

  // Invariant 1: every block in one state, uses as many as there are references.
  void count_blocks(size_t group) {
    const GroupImage& pool = image_.groups[group];
    std::vector<int32_t> uses(pool.blocks.size(), 0);
    std::vector<bool> indexed(pool.blocks.size(), false);
    for (const SequenceImage& seq : image_.sequences) {
      for (const BlockId block : seq.tables[group]) {
        if (block != kNoBlock) ++uses[block];
      }
    }
    for (const BlockId block : pool.pending_drops) ++uses[block];
    for (const BlockId block : pool.indexed) {
      if (indexed[block]) fail("group ", group, " block ", block, " is named by two entries");
      indexed[block] = true;
    }
    int64_t free = 0, cached = 0;
    for (size_t block = 0; block < uses.size(); ++block) {
      const BlockImage& state = pool.blocks[block];
      if (state.uses != uses[block]) {
        fail("group ", group, " block ", block, " counts ", state.uses, " uses and has ",
             uses[block]);
      }
      if (state.published != indexed[block]) {
        fail("group ", group, " block ", block, state.published ? " is" : " is not",
             " published, and the index says otherwise");
      }
      free += uses[block] == 0 && !indexed[block] ? 1 : 0;
      cached += uses[block] == 0 && indexed[block] ? 1 : 0;
    }
    if (free != pool.free || cached != pool.cached) {
      fail("group ", group, " counts ", pool.free, " free and ", pool.cached,
           " cached blocks and has ", free, " and ", cached);
    }
  }

  void check_lengths(const SequenceImage& seq) {
    const auto wrong = [&](auto... parts) { fail("sequence ", seq.id, ": ", parts...); };
    if (seq.committed_len > seq.next_position || seq.next_position > seq.allocated_len) {
      wrong("committed ", seq.committed_len, ", next ", seq.next_position, ", allocated ",
            seq.allocated_len);
    }
    if (seq.in_flight != seq.steps + (seq.pinned ? 1 : 0)) {
      wrong("counts ", seq.in_flight, " in flight and has ", seq.steps, " steps");
    }
    if (seq.tokens > seq.max_tokens_total) wrong(seq.tokens, " tokens exceed the maximum");
    if (seq.fill_len < seq.prompt_len || seq.fill_len > seq.tokens) {
      wrong("fills ", seq.fill_len, " positions with ", seq.tokens, " tokens");
    }
    if (!seq.drafts_in_flight && seq.next_position > seq.expected_tokens) {
      wrong("has rows up to ", seq.next_position, " for ", seq.expected_tokens, " tokens");
    }
    const bool holds = seq.allocated_len > 0 || seq.slots.current != kNoSlot;
    if (seq.state == SequenceState::kWaiting) {
      if (seq.in_flight > 0) wrong("waits with something in flight");
      if (holds && !seq.fork_ready) wrong("waits and holds memory");
    } else if (seq.state != SequenceState::kRunning && seq.in_flight == 0) {
      wrong("ought to have let go");
    }
  }

  // Invariants 2 and 3 for one block table.
  void check_table(const SequenceImage& seq, size_t group) {
    // A sequence that ended may hold rows that nobody trims any more.
    if (seq.state == SequenceState::kRetiring) return;
    const GroupImage& pool = image_.groups[group];
    const std::vector<BlockId>& table = seq.tables[group];
    const auto wrong = [&](auto... parts) {
      fail("sequence ", seq.id, " group ", group, ": ", parts...);
    };
    const int64_t end = seq.ends[group];
    const bool ended = seq.committed_len >= end;
    const auto pages = static_cast<int64_t>(table.size());
    if (!ended && pages != pages_for(std::min(seq.allocated_len, end))) {
      wrong(pages, " pages for ", seq.allocated_len, " positions");
    }
    for (int64_t page = 0; page < pages; ++page) {
      const bool live = table[page] != kNoBlock;
      const bool needed = !ended && pool.spec.page_needed(page, seq.committed_len);
      if (live != needed) wrong("page ", page, live ? " is kept" : " is missing");
    }
    if (seq.next_position == seq.committed_len) return;
    const int64_t written_end = std::min(seq.next_position, end);
    for (int64_t page = seq.committed_len / kBlockTokens;
         page * kBlockTokens < written_end && page < pages; ++page) {
      if (table[page] == kNoBlock) continue;
      const BlockImage& block = pool.blocks[table[page]];
      if (block.uses != 1 || block.published) wrong("page ", page, " is shared and written");
    }
  }

  void count_slots() {
    std::vector<bool> taken(image_.slots_total, false);
    for (const SequenceImage& seq : image_.sequences) {
      const bool active = seq.state != SequenceState::kWaiting || seq.fork_ready;
      if (image_.slots_total > 0 && (seq.slots.current != kNoSlot) != active) {
        fail("sequence ", seq.id, active ? " runs without" : " waits with", " a state slot");
      }
      if (!seq.slots.drafts.empty() && !seq.drafts_in_flight) {
        fail("sequence ", seq.id, " keeps state slots of drafts that are decided");
      }
      std::vector<SlotId> held(seq.slots.drafts.begin(), seq.slots.drafts.end());
      if (seq.slots.current != kNoSlot) held.push_back(seq.slots.current);
      for (const SlotId slot : held) {
        if (taken[slot]) fail("state slot ", slot, " has two owners");
        taken[slot] = true;
      }
    }
    const auto free = std::count(taken.begin(), taken.end(), false);
    if (free != image_.slots_free) {
      fail("counts ", image_.slots_free, " free state slots and has ", free);
    }
  }

  const LedgerImage& image_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> recount(const LedgerImage& image) { return Recount(image).run(); }

}  // namespace tessera
