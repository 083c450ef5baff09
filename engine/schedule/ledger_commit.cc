// The commit half of the ledger: lengths grow, pages are published, forked and given back.
#include <algorithm>
#include <utility>

#include "engine/schedule/ledger.h"
#include "kernels/core/check.h"

namespace tessera {

CommitReport Ledger::commit(const StepOutcome& outcome) {
  CHECK(!steps_.empty());
  CHECK_EQ(outcome.step, steps_.front().id);
  const Step step = std::move(steps_.front());
  steps_.pop_front();
  CHECK_EQ(outcome.grants.size(), step.grants.size());
  for (const PrefixIndex::BlockOf& use : step.drops) cache_.drop(use);

  CommitReport report;
  for (size_t index = 0; index < step.grants.size(); ++index) {
    const Grant& grant = step.grants[index];
    Sequence& seq = mutable_at(grant.sequence);
    report.counted.push_back(seq.state != SequenceState::kRetiring);
    apply(grant, outcome.grants[index], seq);
    report.published_pages += publish(seq);
    if (seq.forks_pending > 0 && seq.committed_len >= fork_point(seq)) fork_children(seq);
    give_back(seq);
    if (settle(seq)) report.released.push_back(grant.sequence);
  }
  return report;
}

void Ledger::apply(const Grant& grant, const GrantOutcome& outcome, Sequence& seq) {
  const auto emitted = static_cast<int64_t>(outcome.tokens.size());
  --seq.in_flight;
  if (grant.kind == RowKind::kVerify) {
    seq.drafts_in_flight = false;
    slots_.drop_drafts(seq.slots);
  } else if (grant.samples) {
    --seq.tokens_in_flight;
  }
  // The rows of a sequence that ended meanwhile are surplus: it takes nothing from them.
  if (seq.state == SequenceState::kRetiring) return;

  CHECK_LE(emitted, grant.samples ? (grant.kind == RowKind::kVerify ? grant.rows : 1) : 0);
  CHECK(emitted > 0 || !grant.samples || outcome.finished);
  if (grant.kind == RowKind::kVerify) {
    // The root and the accepted drafts; the last token emitted is the new root.
    seq.committed_len = grant.position + std::max<int64_t>(1, emitted);
    seq.next_position = seq.committed_len;
    seq.draft_record.verified(grant.rows - 1, std::max<int64_t>(0, emitted - 1));
  } else {
    if (grant.kind == RowKind::kDecode) seq.draft_record.decoded_plainly();
    seq.committed_len = grant.position + grant.rows;
  }
  seq.tokens.insert(seq.tokens.end(), outcome.tokens.begin(), outcome.tokens.end());
  if (grant.samples) seq.rows_wanted = 1;
  CHECK_LE(static_cast<int64_t>(seq.tokens.size()), seq.spec.max_tokens_total);
  const bool full = static_cast<int64_t>(seq.tokens.size()) == seq.spec.max_tokens_total;
  if (outcome.finished || full) seq.state = SequenceState::kRetiring;
}

int64_t Ledger::publish(Sequence& seq) {
  if (!seq.publishing) return 0;
  int64_t end = seq.committed_len;
  if (!shares_outputs(seq)) end = std::min(end, seq.prompt_len);
  const int64_t before = seq.published_pages;
  std::vector<PrefixIndex::BlockOf> dropped;
  while ((seq.published_pages + 1) * kBlockTokens <= end) {
    const int64_t page = seq.published_pages;
    const absl::Span<const int32_t> tokens(seq.tokens);
    seq.published_entry = cache_.publish(seq.spec.cache_namespace, seq.published_entry,
                                         tokens.subspan(page * kBlockTokens, kBlockTokens), page,
                                         seq.tables, dropped);
    if (seq.published_entry == kNoEntry) {
      seq.publishing = false;  // the chain above was evicted: its pages can no longer be reached
      break;
    }
    ++seq.published_pages;
  }
  for (const PrefixIndex::BlockOf& use : dropped) {
    if (steps_.empty()) {
      cache_.drop(use);
    } else {
      steps_.back().drops.push_back(use);  // steps in flight may still read this block
    }
  }
  return seq.published_pages - before;
}

// Committed positions at which the children of this parent are made: its prompt, or all but the
// last position of it where there is a state, which cannot be taken back by one.
int64_t Ledger::fork_point(const Sequence& parent) const {
  return parent.prompt_len - (slots_.total() > 0 ? 1 : 0);
}

// A slot with a copy of the parent's state; false when no slot is free.
bool Ledger::share_state(const Sequence& parent, Sequence& child) {
  if (slots_.total() == 0) return true;
  CHECK_EQ(parent.next_position, fork_point(parent));
  if (!slots_.acquire(child.slots)) return false;
  state_copies_.push_back({parent.slots.current, child.slots.current});
  return true;
}

// Children take the prompt's pages and state, all but the last position, which they compute again
// to draw their own first token. Who gets no state slot computes the whole prompt.
void Ledger::fork_children(Sequence& parent) {
  const int64_t shared = parent.prompt_len - 1;
  for (auto& [id, child] : sequences_) {
    if (child.spec.fork_of != parent.spec.id) continue;
    child.spec.fork_of = kNoSequence;
    if (!share_state(parent, child)) continue;
    child.tables = cache_.fork(parent.tables, shared, ends_of(child));
    child.committed_len = child.allocated_len = child.next_position = shared;
    child.fork_ready = true;
    child.publishing =
        parent.publishing && child.spec.prefix_caching &&
        (parent.published_pages == 0 || cache_.index().contains(parent.published_entry));
    child.published_pages = std::min(parent.published_pages, shared / kBlockTokens);
    child.published_entry = kNoEntry;
    if (!child.publishing || child.published_pages == 0) continue;
    child.published_entry = parent.published_entry;
    for (int64_t page = parent.published_pages; page > child.published_pages; --page) {
      child.published_entry = cache_.index().parent(child.published_entry);
    }
  }
  parent.forks_pending = 0;
}

// Gives back slots of rejected drafts, pages no query can see any more, and the pages of groups
// that end with the prompt.
void Ledger::give_back(Sequence& seq) {
  if (seq.state == SequenceState::kRetiring) return;  // everything goes when it settles
  seq.allocated_len = seq.next_position;
  for (int group = 0; group < cache_.groups(); ++group) {
    BlockTable& table = seq.tables[group];
    const int64_t end = seq.group_end(group);
    cache_.trim(group, table, pages_for(std::min(seq.allocated_len, end)));
    cache_.free_unseen(group, table, seq.committed_len);
    if (seq.committed_len >= end) cache_.free_group(group, table);
  }
}

}  // namespace tessera
