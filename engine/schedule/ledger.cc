#include "engine/schedule/ledger.h"

#include <algorithm>
#include <utility>

#include "kernels/core/check.h"

namespace tessera {

using Ends = absl::InlinedVector<int64_t, 2>;

Ledger::Ledger(LedgerShape shape)
    : shape_(std::move(shape)), cache_(shape_.cache), slots_(shape_.state_slots) {
  if (shape_.state_slots > 0) shape_.prefix_caching = false;
}

void Ledger::admit(SequenceSpec spec) {
  CHECK_NE(spec.id, kNoSequence);
  CHECK(!spec.prompt.empty());
  CHECK_GT(spec.max_tokens_total, static_cast<int64_t>(spec.prompt.size()));
  CHECK(!sequences_.contains(spec.id));
  Sequence seq;
  seq.tokens = spec.prompt;
  seq.prompt_len = seq.fill_len = static_cast<int64_t>(seq.tokens.size());
  seq.tables = cache_.empty_tables();
  seq.spec = std::move(spec);
  if (seq.spec.fork_of != kNoSequence) {
    // There is nothing to share once the parent's prompt is done, nor with a prompt whose last
    // token is all of it. A state slot holds one position's state: rows in flight count as done.
    const auto parent = sequences_.find(seq.spec.fork_of);
    const bool shares = parent != sequences_.end() &&
                        parent->second.state != SequenceState::kRetiring && seq.prompt_len > 1 &&
                        (slots_.total() > 0 ? parent->second.next_position
                                            : parent->second.committed_len) < seq.prompt_len;
    if (shares) {
      CHECK(parent->second.spec.prompt == seq.spec.prompt);
      ++parent->second.forks_pending;
    } else {
      seq.spec.fork_of = kNoSequence;
    }
  }
  sequences_.emplace(seq.spec.id, std::move(seq));
}

bool Ledger::cancel(SequenceId id) {
  Sequence& seq = mutable_at(id);
  orphan_children(seq);
  if (seq.spec.fork_of != kNoSequence) --mutable_at(seq.spec.fork_of).forks_pending;
  seq.spec.fork_of = kNoSequence;
  seq.state = SequenceState::kRetiring;
  return settle(seq);
}

void Ledger::want_rows(SequenceId id, int64_t rows) {
  CHECK_GE(rows, 1);
  mutable_at(id).rows_wanted = rows;
}

Ends Ledger::ends_of(const Sequence& seq) const {
  Ends ends;
  for (int group = 0; group < cache_.groups(); ++group) ends.push_back(seq.group_end(group));
  return ends;
}

// At least the last token is computed, so that there are logits to sample from. Outputs that are
// computed otherwise than prompts must not be found as somebody's prompt.
PrefixHit Ledger::find_hit(const Sequence& seq) const {
  int64_t pages_max = 0;
  if (shape_.prefix_caching && seq.spec.prefix_caching) {
    pages_max = (static_cast<int64_t>(seq.tokens.size()) - 1) / kBlockTokens;
    if (!shares_outputs(seq)) pages_max = std::min(pages_max, seq.prompt_len / kBlockTokens);
  }
  return cache_.find_prefix(seq.spec.cache_namespace, seq.tokens, pages_max, ends_of(seq));
}

bool Ledger::shares_outputs(const Sequence& seq) const {
  const uint64_t all = cache_.groups() >= 64 ? kAllGroups : (uint64_t{1} << cache_.groups()) - 1;
  return seq.spec.publish_outputs && (seq.spec.groups_after_prompt & all) == all;
}

// A waiting sequence enters: a fork with its parent's pages, any other with its prefix hit.
void Ledger::start(Sequence& seq, int64_t position) {
  CHECK(seq.state == SequenceState::kWaiting);
  if (!seq.fork_ready) {
    const PrefixHit hit = find_hit(seq);
    seq.tables = cache_.take_prefix(hit, ends_of(seq));
    seq.committed_len = seq.allocated_len = seq.next_position = hit.pages * kBlockTokens;
    seq.published_pages = hit.pages;
    seq.published_entry = hit.pages > 0 ? hit.entries.back() : kNoEntry;
    seq.publishing = shape_.prefix_caching && seq.spec.prefix_caching && cache_.groups() > 0;
  }
  CHECK_EQ(seq.next_position, position);
  seq.cached_tokens = std::min(seq.next_position, seq.prompt_len);
  if (slots_.total() > 0 && !seq.fork_ready) CHECK(slots_.acquire(seq.slots));
  seq.fork_ready = false;
  seq.state = SequenceState::kRunning;
}

void Ledger::preempt(Sequence& seq) {
  if (seq.state == SequenceState::kWaiting) {
    CHECK(seq.fork_ready);
    let_go(seq);
    return;
  }
  CHECK(seq.state == SequenceState::kRunning && !seq.pinned);
  seq.state = SequenceState::kPreempted;
  ++seq.preemptions;
  settle(seq);
}

// Gives all memory back. What was emitted becomes part of what is computed as prompt.
void Ledger::let_go(Sequence& seq) {
  CHECK_EQ(seq.in_flight, 0);
  cache_.release(seq.tables);
  release_slots(seq);
  seq.committed_len = seq.allocated_len = seq.next_position = 0;
  seq.fill_len = static_cast<int64_t>(seq.tokens.size());
  seq.published_entry = kNoEntry;
  seq.published_pages = 0;
  seq.publishing = seq.fork_ready = false;
  seq.rows_wanted = 1;
}

// Copies into a slot that is given back must not be done any more: its next holder fills it.
void Ledger::release_slots(Sequence& seq) {
  std::erase_if(state_copies_, [&](const StateCopy& copy) { return copy.to == seq.slots.current; });
  slots_.release(seq.slots);
}

// Once nothing of it is in flight: releases a retiring sequence (true), sends a preempted one back
// to the queue.
bool Ledger::settle(Sequence& seq) {
  if (seq.in_flight > 0) return false;
  if (seq.state == SequenceState::kPreempted) {
    let_go(seq);
    seq.state = SequenceState::kWaiting;
  }
  if (seq.state != SequenceState::kRetiring) return false;
  orphan_children(seq);
  let_go(seq);
  sequences_.erase(seq.spec.id);
  return true;
}

void Ledger::orphan_children(Sequence& parent) {
  if (parent.forks_pending == 0) return;
  for (auto& [id, seq] : sequences_) {
    if (seq.spec.fork_of == parent.spec.id) seq.spec.fork_of = kNoSequence;
  }
  parent.forks_pending = 0;
}

Reservation Ledger::reserve(const StepDecision& decision) {
  Reservation reservation;
  for (const SequenceId id : decision.preempted) preempt(mutable_at(id));
  // Prefix hits are taken before anybody grows, which could evict them.
  for (const SequenceId id : decision.admitted) {
    const auto grant = std::find_if(decision.grants.begin(), decision.grants.end(),
                                    [id](const Grant& each) { return each.sequence == id; });
    CHECK(grant != decision.grants.end());
    start(mutable_at(id), grant->position);
  }
  if (decision.grants.empty()) return reservation;
  reservation.step = ++last_step_;
  reservation.state_copies.swap(state_copies_);
  for (const Grant& grant : decision.grants) reserve_rows(grant, reservation.copies);
  for (const Grant& grant : decision.grants) {
    const Sequence& seq = at(grant.sequence);
    ReservedRows rows{.grant = grant,
                      .committed_len = seq.committed_len,
                      .cached_tokens = seq.cached_tokens,
                      .first = false,
                      .tables = {},
                      .slots = seq.slots};
    rows.first = std::find(decision.admitted.begin(), decision.admitted.end(), grant.sequence) !=
                 decision.admitted.end();
    for (const BlockTable& table : seq.tables) rows.tables.emplace_back(table.blocks);
    reservation.rows.push_back(std::move(rows));
  }
  steps_.push_back({.id = reservation.step, .grants = decision.grants, .drops = {}});
  return reservation;
}

void Ledger::reserve_rows(const Grant& grant, std::vector<PageCopy>& copies) {
  Sequence& seq = mutable_at(grant.sequence);
  CHECK(seq.state == SequenceState::kRunning && !seq.pinned);
  CHECK_EQ(grant.position, seq.next_position);
  CHECK_GT(grant.rows, 0);
  seq.next_position += grant.rows;
  seq.allocated_len = std::max(seq.allocated_len, seq.next_position);
  for (int group = 0; group < cache_.groups(); ++group) {
    const int64_t end = std::min(seq.next_position, seq.group_end(group));
    if (end <= grant.position) continue;
    BlockTable& table = seq.tables[group];
    const auto copy = cache_.make_own(group, table, grant.position / kBlockTokens);
    if (copy.has_value()) copies.push_back(*copy);
    CHECK(cache_.grow(group, table, pages_for(end)));
  }
  ++seq.in_flight;
  if (grant.kind == RowKind::kVerify) {
    seq.drafts_in_flight = true;
    if (slots_.total() > 0) CHECK(slots_.take_drafts(seq.slots, grant.rows - 1));
  } else if (grant.samples) {
    ++seq.tokens_in_flight;
  }
}

bool Ledger::admit_prefilled(SequenceSpec spec, std::vector<int32_t> emitted, int64_t seqs_max) {
  CHECK(!emitted.empty());
  if (load().running >= seqs_max) return false;
  // Its state is filled at once; copies that wait for a step could still read or write the slot.
  if (slots_.total() > 0 && (slots_.free() == 0 || !state_copies_.empty())) return false;
  spec.fork_of = kNoSequence;
  const SequenceId id = spec.id;
  admit(std::move(spec));
  Sequence& seq = mutable_at(id);
  seq.tokens.insert(seq.tokens.end(), emitted.begin(), emitted.end());
  const int64_t committed = static_cast<int64_t>(seq.tokens.size()) - 1;
  for (int group = 0; group < cache_.groups(); ++group) {
    BlockTable& table = seq.tables[group];
    const int64_t end = seq.group_end(group);
    // Positions that no later query sees are not transferred.
    const int64_t first_query = committed;
    if (committed >= end) {
      table.blocks.assign(pages_for(end), kNoBlock);
    } else if (!cache_.grow_seen(group, table, pages_for(committed), first_query)) {
      cancel(id);
      return false;
    }
  }
  if (slots_.total() > 0) CHECK(slots_.acquire(seq.slots));
  seq.fill_len = seq.committed_len = seq.allocated_len = seq.next_position = committed;
  // Pages that were not transferred cannot be published, nor can what comes after them be found.
  const bool whole = seq.tables.end() == std::find_if(seq.tables.begin(), seq.tables.end(),
                                                      [](const BlockTable& table) {
                                                        return table.live < table.pages();
                                                      });
  seq.publishing = shape_.prefix_caching && seq.spec.prefix_caching && whole && !seq.tables.empty();
  seq.state = SequenceState::kRunning;
  pin(id);
  return true;
}

void Ledger::pin(SequenceId id) {
  Sequence& seq = mutable_at(id);
  CHECK(!seq.pinned && seq.state == SequenceState::kRunning);
  seq.pinned = true;
  ++seq.in_flight;
}

bool Ledger::unpin(SequenceId id) {
  Sequence& seq = mutable_at(id);
  CHECK(seq.pinned);
  seq.pinned = false;
  --seq.in_flight;
  return settle(seq);
}

}  // namespace tessera
