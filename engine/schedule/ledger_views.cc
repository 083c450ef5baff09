// The const half of the ledger: copies of its state for plan_step, recount and reports.
#include <algorithm>
#include <utility>

#include "engine/schedule/ledger.h"

namespace tessera {
namespace {

// Waiting sequences of each class that one step looks at, and pages of cached prefixes looked up
// for them. A step admits few; looking up prefixes for a long queue would cost more than the step.
constexpr size_t kCandidatesMax = 32;
constexpr int64_t kLookupPagesMax = 2048;

OrderKey key_of(const Sequence& seq) {
  return {.id = seq.spec.id,
          .priority = seq.spec.priority,
          .preemptions = seq.preemptions,
          .arrival_seconds = seq.spec.arrival_seconds,
          .deadline_seconds = seq.spec.deadline_seconds};
}

bool waits(const Sequence& seq) { return seq.state == SequenceState::kWaiting; }

// Of the waiting sequences of one class, the next ones.
std::vector<const Sequence*> next_candidates(std::vector<const Sequence*> waiting,
                                             const AdmissionOrder& order, double now_seconds) {
  const size_t count = std::min(waiting.size(), kCandidatesMax);
  std::partial_sort(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count),
                    waiting.end(), [&](const Sequence* a, const Sequence* b) {
                      if (a->fork_ready != b->fork_ready) return a->fork_ready;
                      return goes_before(order, key_of(*a), key_of(*b), now_seconds);
                    });
  waiting.resize(count);
  return waiting;
}

}  // namespace

StepSnapshot Ledger::snapshot(const AdmissionOrder& order, double now_seconds) const {
  StepSnapshot snapshot;
  snapshot.now_seconds = now_seconds;
  snapshot.steps_in_flight = steps_in_flight();
  for (int group = 0; group < cache_.groups(); ++group) {
    snapshot.groups.push_back({.spec = cache_.spec(group),
                               .available = cache_.available(group),
                               .total = cache_.pool(group).total()});
  }
  snapshot.state_slots_total = slots_.total();
  snapshot.state_slots_free = slots_.free();
  std::vector<const Sequence*> waiting[2];  // latency class, best effort
  const Sequence* oldest = nullptr;
  for (const auto& [id, seq] : sequences_) {
    if (seq.state != SequenceState::kRetiring &&
        (oldest == nullptr || seq.spec.arrival_seconds < oldest->spec.arrival_seconds)) {
      oldest = &seq;
    }
    if (!waits(seq)) {
      snapshot.running.push_back(view(seq));
      continue;
    }
    snapshot.work_waits = true;
    if (seq.spec.fork_of == kNoSequence) waiting[seq.spec.best_effort ? 1 : 0].push_back(&seq);
  }
  if (oldest != nullptr) snapshot.oldest = oldest->spec.id;
  for (std::vector<const Sequence*>& queue : waiting) {
    int64_t pages_found = 0;
    for (const Sequence* seq : next_candidates(std::move(queue), order, now_seconds)) {
      if (pages_found > kLookupPagesMax) break;
      snapshot.waiting.push_back(seq->fork_ready ? view(*seq) : waiting_view(*seq));
      pages_found += snapshot.waiting.back().next_position / kBlockTokens;
    }
  }
  return snapshot;
}

// Where the prompt rows from `position` on may end at the latest.
int64_t Ledger::chunk_end(const Sequence& seq, int64_t position) const {
  int64_t end = seq.fill_len;
  // Where outputs are computed otherwise than prompts, no chunk holds both.
  if (!shares_outputs(seq) && position < seq.prompt_len) end = seq.prompt_len;
  if (seq.forks_pending > 0 && position < fork_point(seq)) end = std::min(end, fork_point(seq));
  return end;
}

SequenceView Ledger::view(const Sequence& seq) const {
  SequenceView view;
  view.key = key_of(seq);
  view.best_effort = seq.spec.best_effort;
  view.leaving = seq.state == SequenceState::kPreempted || seq.state == SequenceState::kRetiring;
  view.pinned = seq.pinned;
  view.fork_ready = seq.fork_ready;
  view.next_position = seq.next_position;
  view.fill_len = seq.fill_len;
  view.expected_tokens = seq.expected_tokens();
  view.in_flight = seq.in_flight;
  view.has_state_slot = seq.slots.current != kNoSlot;
  view.chunk_max = chunk_end(seq, seq.next_position) - seq.next_position;
  const bool prompt_done = !seq.in_prompt();
  const int64_t tokens_left = seq.spec.max_tokens_total - seq.expected_tokens();
  view.rows_wanted = prompt_done ? std::max<int64_t>(1, std::min(seq.rows_wanted, tokens_left)) : 1;
  view.draft_acceptance = seq.draft_record.acceptance();
  view.token_in_flight = seq.tokens_in_flight > 0;
  view.blocked = view.leaving || seq.pinned || seq.drafts_in_flight;
  // Forks must find the prompt's last page, or the state, as it was left for them.
  view.blocked |= seq.forks_pending > 0 && seq.next_position >= fork_point(seq);
  if (prompt_done) {
    const bool drafts_wait = view.rows_wanted > 1 && seq.in_flight > 0;
    view.blocked |= drafts_wait || tokens_left <= 0;
  }
  for (int group = 0; group < cache_.groups(); ++group) {
    const BlockTable& table = seq.tables[group];
    SequencePages pages{.pages = table.pages(), .live = table.live, .end = seq.group_end(group)};
    pages.copies = cache_.copy_needed(group, table, seq.next_position / kBlockTokens) ? 1 : 0;
    for (const BlockId block : table.blocks) {
      if (block != kNoBlock) pages.exclusive += cache_.pool(group).uses(block) == 1 ? 1 : 0;
    }
    view.groups.push_back(pages);
  }
  return view;
}

SequenceView Ledger::waiting_view(const Sequence& seq) const {
  const PrefixHit hit = find_hit(seq);
  SequenceView view;
  view.key = key_of(seq);
  view.best_effort = seq.spec.best_effort;
  view.next_position = hit.pages * kBlockTokens;
  view.fill_len = seq.fill_len;
  view.expected_tokens = seq.expected_tokens();
  view.chunk_max = chunk_end(seq, view.next_position) - view.next_position;
  for (int group = 0; group < cache_.groups(); ++group) {
    view.groups.push_back({.pages = hit.pages,
                           .live = hit.held_blocks[group],
                           .end = seq.group_end(group),
                           .revived = hit.revived_blocks[group]});
  }
  return view;
}

std::vector<SequenceId> Ledger::expired(double now_seconds) const {
  std::vector<SequenceId> ids;
  for (const auto& [id, seq] : sequences_) {
    if (seq.state != SequenceState::kRetiring && seq.spec.deadline_seconds <= now_seconds) {
      ids.push_back(id);
    }
  }
  return ids;
}

QueueLoad Ledger::load() const {
  QueueLoad load;
  for (const auto& [id, seq] : sequences_) {
    if (waits(seq)) {
      ++load.waiting;
      load.waiting_prompt_tokens += static_cast<int64_t>(seq.tokens.size());
    } else {
      ++load.running;
    }
  }
  return load;
}

LedgerImage Ledger::image() const {
  LedgerImage image;
  image.slots_total = slots_.total();
  image.slots_free = slots_.free();
  for (int group = 0; group < cache_.groups(); ++group) {
    const BlockPool& pool = cache_.pool(group);
    GroupImage copy;
    copy.spec = cache_.spec(group);
    copy.free = pool.free();
    copy.cached = pool.cached();
    for (BlockId block = 0; block < pool.total(); ++block) {
      copy.blocks.push_back({.uses = pool.uses(block), .published = pool.published(block)});
    }
    image.groups.push_back(std::move(copy));
  }
  for (const PrefixIndex::BlockOf& named : cache_.index().all_blocks()) {
    image.groups[named.group].indexed.push_back(named.block);
  }
  for (const auto& [id, seq] : sequences_) image.sequences.push_back(image_of(seq));
  for (const Step& step : steps_) {
    for (const PrefixIndex::BlockOf& use : step.drops) {
      image.groups[use.group].pending_drops.push_back(use.block);
    }
    for (const Grant& grant : step.grants) {
      const auto named =
          std::lower_bound(image.sequences.begin(), image.sequences.end(), grant.sequence,
                           [](const SequenceImage& seq, SequenceId id) { return seq.id < id; });
      if (named != image.sequences.end() && named->id == grant.sequence) ++named->steps;
    }
  }
  return image;
}

SequenceImage Ledger::image_of(const Sequence& seq) const {
  SequenceImage copy;
  copy.id = seq.spec.id;
  copy.state = seq.state;
  copy.prompt_len = seq.prompt_len;
  copy.fill_len = seq.fill_len;
  copy.committed_len = seq.committed_len;
  copy.allocated_len = seq.allocated_len;
  copy.next_position = seq.next_position;
  copy.tokens = static_cast<int64_t>(seq.tokens.size());
  copy.expected_tokens = seq.expected_tokens();
  copy.max_tokens_total = seq.spec.max_tokens_total;
  copy.in_flight = seq.in_flight;
  copy.pinned = seq.pinned;
  copy.fork_ready = seq.fork_ready;
  copy.drafts_in_flight = seq.drafts_in_flight;
  for (int group = 0; group < cache_.groups(); ++group) {
    copy.tables.push_back(seq.tables[group].blocks);
    copy.ends.push_back(seq.group_end(group));
  }
  copy.slots = seq.slots;
  return copy;
}

}  // namespace tessera
