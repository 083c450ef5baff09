#include "engine/schedule/simulated_engine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

constexpr size_t kComplaintsMax = 20;
constexpr int64_t kPhaseTicks = 400;  // busy and quiet phases alternate

}  // namespace

SimulatedEngine::SimulatedEngine(const SimulationOptions& options)
    : options_(options),
      random_(options.seed),
      order_(*admission_orders().make(options.order, {})),
      ledger_(options.shape),
      device_(options.shape) {
  for (int prefix = 0; prefix < 4; ++prefix) {
    std::vector<int32_t> tokens(between(10, options_.prompt_max));
    for (int32_t& token : tokens) token = static_cast<int32_t>(between(0, 2));
    shared_prefixes_.push_back(std::move(tokens));
  }
}

SimulationTotals SimulatedEngine::run() {
  int64_t idle = 0;
  while (totals_.wrong.size() < kComplaintsMax && idle < 1000) {
    ++tick_;
    draining_ = totals_.steps >= options_.steps;
    if (draining_ && ledger_.idle() && in_flight_.empty()) break;
    if (!draining_) arrive();
    end_some();
    if (options_.transfer_share > 0) transfer();
    const int64_t before = totals_.steps;
    const bool launched = launch();
    const bool full = static_cast<int>(in_flight_.size()) >= options_.steps_in_flight;
    if (!in_flight_.empty() && (!launched || full)) collect();
    idle = totals_.steps == before && !ledger_.idle() ? idle + 1 : 0;
  }
  if (idle >= 1000) complain("the loop spins without a step");
  for (int group = 0; group < ledger_.cache().groups(); ++group) {
    const BlockPool& pool = ledger_.cache().pool(group);
    if (pool.free() + pool.cached() != pool.total()) complain("blocks leaked");
  }
  if (ledger_.slots().free() != ledger_.slots().total()) complain("slots leaked");
  if (!clients_.empty()) complain("clients were forgotten");
  return std::move(totals_);
}

std::vector<int32_t> SimulatedEngine::make_prompt() {
  std::vector<int32_t> prompt;
  if (chance(0.6)) {
    prompt = shared_prefixes_[between(0, 3)];
    prompt.resize(between(1, static_cast<int64_t>(prompt.size())));
  }
  const int64_t length = std::max<int64_t>(prompt.size(), between(1, options_.prompt_max));
  while (static_cast<int64_t>(prompt.size()) < length) {
    prompt.push_back(static_cast<int32_t>(between(0, 2)));
  }
  return prompt;
}

void SimulatedEngine::arrive() {
  const bool busy = tick_ / kPhaseTicks % 2 == 0;
  if (!chance(busy ? options_.arrivals_per_step : options_.arrivals_per_step / 20)) return;
  SequenceSpec spec;
  spec.prompt = make_prompt();
  spec.max_tokens_total =
      static_cast<int64_t>(spec.prompt.size()) + between(1, options_.output_max);
  spec.priority = static_cast<int32_t>(between(0, 2));
  spec.best_effort = chance(options_.best_effort_share);
  spec.arrival_seconds = static_cast<double>(tick_);
  if (chance(options_.deadline_share)) {
    spec.deadline_seconds = static_cast<double>(tick_ + between(1, 200));
  }
  spec.prefix_caching = chance(0.9);
  spec.cache_namespace = chance(0.8) ? "" : "salt";
  if (chance(options_.skip_share)) {
    spec.cache_namespace += "/skip";
    spec.groups_after_prompt = ~(uint64_t{1} << (options_.shape.cache.groups.size() - 1));
  }
  const bool prefilled = chance(options_.transfer_share);
  const int64_t outputs = !prefilled && chance(options_.fork_share) ? between(2, 4) : 1;
  const SequenceId first = last_id_ + 1;
  for (int64_t output = 0; output < outputs; ++output) {
    spec.id = ++last_id_;
    spec.fork_of = output == 0 ? kNoSequence : first;
    Client client;
    client.seq = {.prompt = spec.prompt, .name_space = spec.cache_namespace};
    if (spec.groups_after_prompt != kAllGroups) {
      client.seq.outputs_differ_from = static_cast<int64_t>(spec.prompt.size());
    }
    client.seq.output_seed = between(0, 2);
    client.output_max = spec.max_tokens_total - static_cast<int64_t>(spec.prompt.size());
    client.cancel_at = chance(options_.cancel_share) ? tick_ + between(0, 60) : 0;
    client.last_progress = tick_;
    client.best_effort = spec.best_effort;
    if (prefilled) return arrive_prefilled(std::move(spec), std::move(client));
    clients_[spec.id] = std::move(client);
    ledger_.admit(spec);
    totals_.forks += output > 0 ? 1 : 0;
  }
}

// The prompt and some outputs were computed elsewhere. Where there is no room it is queued as
// usual.
void SimulatedEngine::arrive_prefilled(SequenceSpec spec, Client client) {
  const SequenceId id = spec.id;
  if (client.output_max > 1) {
    client.received = expected_outputs(client.seq, between(1, client.output_max - 1));
    client.importing = ledger_.admit_prefilled(spec, client.received, options_.limits.seqs_max);
  }
  totals_.imports += client.importing ? 1 : 0;
  client.unpin_at = client.importing ? tick_ + between(1, 10) : 0;
  if (!client.importing) {
    client.received.clear();
    ledger_.admit(std::move(spec));
  }
  clients_[id] = std::move(client);
  note(ledger_.recount(), "after import");
}

// Pages that are read or filled by somebody else for a while.
void SimulatedEngine::transfer() {
  std::vector<SequenceId> done;
  for (auto& [id, client] : clients_) {
    const bool runs = ledger_.at(id).state == SequenceState::kRunning;
    if (client.unpin_at == 0 && runs && chance(options_.transfer_share / 20)) {
      ledger_.pin(id);
      client.unpin_at = tick_ + between(1, 10);
      ++totals_.pins;
    } else if (client.unpin_at != 0 && client.unpin_at <= tick_) {
      done.push_back(id);
    }
  }
  for (const SequenceId id : done) {
    if (clients_.at(id).importing) import_kv(id);
    clients_.at(id).importing = false;
    clients_.at(id).unpin_at = 0;
    if (ledger_.unpin(id)) remove(id);
  }
  note(ledger_.recount(), "after transfers");
}

void SimulatedEngine::import_kv(SequenceId id) {
  const Sequence& seq = ledger_.at(id);
  FakeSegment segment;
  segment.seq = &clients_.at(id).seq;
  segment.tokens = seq.tokens;
  for (int group = 0; group < ledger_.cache().groups(); ++group) {
    segment.tables.push_back(seq.tables[group].blocks);
    segment.ends.push_back(seq.group_end(group));
  }
  segment.slots = seq.slots;
  device_.import(segment);
}

// Clients that go away and deadlines that pass.
void SimulatedEngine::end_some() {
  const double now = static_cast<double>(tick_);
  for (const SequenceId id : ledger_.expired(now)) {
    ++totals_.expired;
    if (ledger_.cancel(id)) remove(id);
  }
  std::vector<SequenceId> cancelled;
  for (auto& [id, client] : clients_) {
    if (client.cancel_at == tick_ && ledger_.at(id).state != SequenceState::kRetiring) {
      cancelled.push_back(id);
    }
  }
  for (const SequenceId id : cancelled) {
    ++totals_.cancelled;
    if (ledger_.cancel(id)) remove(id);
  }
  note(ledger_.recount(), "after cancels");
}

void SimulatedEngine::remove(SequenceId id) {
  if (ledger_.contains(id)) complain("a released sequence is still there");
  clients_.erase(id);
  device_.forget(id);
}

void SimulatedEngine::complain(std::string_view what) {
  totals_.wrong.push_back(absl::StrCat("tick ", tick_, ": ", std::string(what)));
}

void SimulatedEngine::note(const std::vector<std::string>& broken, const char* when) {
  for (const std::string& rule : broken) {
    if (totals_.wrong.size() >= kComplaintsMax) return;
    totals_.wrong.push_back(absl::StrCat("tick ", tick_, " ", when, ": ", rule));
  }
}

void SimulatedEngine::check_waits(const StepSnapshot& seen) {
  for (const SequenceView& seq : seen.running) {
    if (seq.in_flight > 0 || seq.leaving) clients_.at(seq.key.id).last_progress = tick_;
  }
  for (const auto& [id, client] : clients_) {
    if (client.best_effort) continue;
    totals_.longest_wait_steps = std::max(totals_.longest_wait_steps, tick_ - client.last_progress);
  }
}

bool SimulatedEngine::launch() {
  if (static_cast<int>(in_flight_.size()) >= options_.steps_in_flight) return false;
  for (const auto& [id, client] : clients_) {
    if (!chance(options_.draft_share)) continue;
    if (ledger_.at(id).state == SequenceState::kRunning) ledger_.want_rows(id, between(2, 9));
  }
  const StepSnapshot seen = ledger_.snapshot(*order_, static_cast<double>(tick_));
  const StepDecision decision = plan_step(seen, options_.limits, *order_);
  note(check_decision(seen, options_.limits, decision), "decision");
  if (decision.stuck != kNoSequence) {
    ++totals_.failed;
    if (ledger_.cancel(decision.stuck)) remove(decision.stuck);
    return false;
  }
  totals_.preemptions += static_cast<int64_t>(decision.preempted.size());
  check_waits(seen);
  const Reservation reservation = ledger_.reserve(decision);
  note(ledger_.recount(), "after reserve");
  if (reservation.rows.empty()) return false;
  FakeStep step{.id = reservation.step,
                .copies = reservation.copies,
                .state_copies = reservation.state_copies,
                .segments = {}};
  totals_.copies += static_cast<int64_t>(reservation.copies.size());
  totals_.state_copies += static_cast<int64_t>(reservation.state_copies.size());
  for (const ReservedRows& rows : reservation.rows) {
    if (rows.first) totals_.cached_tokens += rows.cached_tokens;
    step.segments.push_back(segment_of(rows));
  }
  check_reuse(step);
  check_state_reuse(step);
  in_flight_.push_back(std::move(step));
  ++totals_.steps;
  return true;
}

FakeSegment SimulatedEngine::segment_of(const ReservedRows& rows) {
  const Sequence& seq = ledger_.at(rows.grant.sequence);
  Client& client = clients_.at(rows.grant.sequence);
  client.last_progress = tick_;
  FakeSegment segment;
  segment.grant = rows.grant;
  segment.seq = &client.seq;
  segment.tokens = seq.tokens;
  for (int group = 0; group < ledger_.cache().groups(); ++group) {
    segment.tables.emplace_back(rows.tables[group].begin(), rows.tables[group].end());
    segment.ends.push_back(seq.group_end(group));
  }
  segment.slots = rows.slots;
  if (rows.grant.kind == RowKind::kVerify) {
    const int64_t drafts = rows.grant.rows - 1;
    const int64_t accepted = chance(0.3) ? drafts : between(0, drafts);
    for (int64_t node = 1; node <= accepted; ++node) {
      segment.path.push_back(static_cast<int32_t>(node));
    }
    totals_.drafts += drafts;
    totals_.accepted += accepted;
  }
  return segment;
}

// Invariant 5: what a step writes, no step in flight still reads for somebody else.
void SimulatedEngine::check_reuse(const FakeStep& step) {
  for (size_t group = 0; group < options_.shape.cache.groups.size(); ++group) {
    std::map<BlockId, SequenceId> written;
    for (const PageCopy& copy : step.copies) {
      if (copy.group == static_cast<int>(group)) written[copy.to] = kNoSequence;
    }
    for (const FakeSegment& segment : step.segments) {
      const int64_t last = segment.grant.position + segment.grant.rows - 1;
      for (int64_t page = segment.grant.position / kBlockTokens; page <= last / kBlockTokens;
           ++page) {
        if (page >= static_cast<int64_t>(segment.tables[group].size())) break;
        const BlockId block = segment.tables[group][page];
        if (block == kNoBlock) continue;
        const auto [other, fresh] = written.emplace(block, segment.grant.sequence);
        if (!fresh && other->second != kNoSequence) complain("two write one block");
        other->second = segment.grant.sequence;
      }
    }
    for (const FakeStep& earlier : in_flight_) {
      for (const FakeSegment& reader : earlier.segments) {
        if (reader.grant.position >= reader.ends[group]) continue;
        const GroupSpec& spec = options_.shape.cache.groups[group];
        for (size_t page = 0; page < reader.tables[group].size(); ++page) {
          const auto found = written.find(reader.tables[group][page]);
          if (found == written.end() || found->second == reader.grant.sequence) continue;
          if (!spec.page_needed(static_cast<int64_t>(page), reader.grant.position)) continue;
          totals_.wrong.push_back(absl::StrCat("tick ", tick_, ": block ", found->first,
                                               " is reused while a step in flight reads it"));
        }
      }
    }
  }
}

// The same for state slots.
void SimulatedEngine::check_state_reuse(const FakeStep& step) {
  std::map<SlotId, SequenceId> written;
  for (const StateCopy& copy : step.state_copies) written[copy.to] = kNoSequence;
  const auto slots_of = [](const FakeSegment& segment) {
    std::vector<SlotId> slots(segment.slots.drafts.begin(), segment.slots.drafts.end());
    if (segment.slots.current != kNoSlot) slots.push_back(segment.slots.current);
    return slots;
  };
  for (const FakeSegment& segment : step.segments) {
    for (const SlotId slot : slots_of(segment)) {
      const auto [other, fresh] = written.emplace(slot, segment.grant.sequence);
      if (!fresh && other->second != kNoSequence) complain("two write one state slot");
      other->second = segment.grant.sequence;
    }
  }
  for (const FakeStep& earlier : in_flight_) {
    for (const FakeSegment& reader : earlier.segments) {
      for (const SlotId slot : slots_of(reader)) {
        const auto found = written.find(slot);
        if (found == written.end() || found->second == reader.grant.sequence) continue;
        complain("a state slot is reused while a step in flight holds it");
      }
    }
  }
}

void SimulatedEngine::collect() {
  const FakeStep step = std::move(in_flight_.front());
  in_flight_.pop_front();
  const std::vector<std::vector<int32_t>> drawn = device_.run(step, totals_.wrong);
  StepOutcome outcome{.step = step.id, .grants = {}};
  for (size_t index = 0; index < step.segments.size(); ++index) {
    GrantOutcome grant{.tokens = drawn[index]};
    for (size_t token = 0; token < grant.tokens.size(); ++token) {
      if (!chance(options_.early_stop)) continue;
      grant.tokens.resize(token + 1);
      grant.finished = true;
    }
    outcome.grants.push_back(std::move(grant));
  }
  const CommitReport report = ledger_.commit(outcome);
  for (size_t index = 0; index < step.segments.size(); ++index) {
    if (report.counted[index]) {
      receive(step.segments[index], outcome.grants[index]);
    } else {
      ++totals_.surplus_rows;
    }
  }
  for (const SequenceId id : report.released) {
    ++totals_.finished;
    remove(id);
  }
  note(ledger_.recount(), "after commit");
}

void SimulatedEngine::receive(const FakeSegment& segment, const GrantOutcome& outcome) {
  Client& client = clients_.at(segment.grant.sequence);
  client.received.insert(client.received.end(), outcome.tokens.begin(), outcome.tokens.end());
  if (outcome.tokens.empty()) return;
  const auto count = static_cast<int64_t>(client.received.size());
  if (count > client.output_max) complain("more tokens than asked for");
  const bool last = outcome.finished || count == client.output_max;
  if (last && client.received != expected_outputs(client.seq, count)) {
    totals_.wrong.push_back(absl::StrCat("tick ", tick_, ": sequence ", segment.grant.sequence,
                                         " got other tokens than it gets alone"));
  }
}

}  // namespace tessera
