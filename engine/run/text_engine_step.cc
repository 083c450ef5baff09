// The steps of the text engine: plan, reserve, build, launch; collect, commit, post.
#include <algorithm>

#include "engine/run/text_engine.h"

namespace tessera {
namespace {

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

// The first `drafts` nodes: a tree again, because parents come first.
void cut_draft(Draft& draft, size_t drafts) {
  draft.tokens.resize(drafts);
  draft.parents.resize(drafts);
}

}  // namespace

void TextEngine::propose_drafts() {
  constexpr int kDraftsMax = Verify::kMaxPath - 1;
  for (const auto& [sequence, output] : by_sequence_) {
    if (output->proposer == nullptr || output->finished.has_value()) continue;
    const Sequence& seq = ledger_.at(sequence);
    if (seq.state != SequenceState::kRunning || seq.in_flight > 0 || seq.in_prompt()) continue;
    const int64_t room = output->request->max_tokens - output->emitted - 1;
    if (room <= 0) continue;
    output->draft = output->proposer->propose(
        seq.tokens, kDraftsMax, static_cast<int>(std::min<int64_t>(room, kDraftsMax)));
    if (!output->draft.tokens.empty()) {
      ledger_.want_rows(sequence, 1 + static_cast<int64_t>(output->draft.tokens.size()));
    }
  }
}

bool TextEngine::launch_step() {
  const Clock::time_point begun = Clock::now();
  const StepSnapshot seen = ledger_.snapshot(*parts_.order, now_seconds());
  const StepDecision decision = plan_step(seen, parts_.limits, *parts_.order);
  if (decision.stuck != kNoSequence) {
    LiveRequest& live = *by_sequence_.at(decision.stuck)->request;
    fail(live, absl::ResourceExhaustedError("the KV cache cannot hold this request"));
    return false;
  }
  if (decision.empty()) return false;
  for (SequenceId preempted : decision.preempted) {
    ++by_sequence_.at(preempted)->request->timings.preemptions;
  }
  const Reservation reservation = ledger_.reserve(decision);
  if (reservation.rows.empty()) return false;
  Flight flight;
  flight.step = reservation.step;
  flight.report.preemptions = static_cast<int64_t>(decision.preempted.size());
  const std::vector<std::byte> bytes = build_step(reservation, flight);
  flight.report.predicted_seconds = parts_.cost->predict(flight.shape);
  flight.report.plan_seconds = seconds_since(begun);
  flights_.push_back(std::move(flight));
  for (const std::unique_ptr<RankWorker>& worker : parts_.workers) {
    const absl::Status status = worker->launch(bytes);
    CHECK(status.ok());  // a plan of our own making that does not parse is our bug
  }
  return true;
}

std::vector<std::byte> TextEngine::build_step(const Reservation& reservation, Flight& flight) {
  PlanBuilder builder(reservation.step, ledger_.cache().groups(),
                      parts_.model.branch_model.sites.size());
  for (const PageCopy& copy : reservation.copies) {
    builder.copy_page(copy.group, copy.from, copy.to);
  }
  for (const StateCopy& copy : reservation.state_copies) builder.copy_state(copy.from, copy.to);
  for (const ReservedRows& rows : reservation.rows) {
    Output& output = *by_sequence_.at(rows.grant.sequence);
    note_scheduled(rows, output);
    if (rows.first) {
      flight.report.prefix_queried_tokens += output.request->usage.prompt_tokens;
      flight.report.prefix_hit_tokens += rows.cached_tokens;
    }
    if (rows.grant.kind == RowKind::kVerify) {
      cut_draft(output.draft, static_cast<size_t>(rows.grant.rows - 1));
    } else {
      cut_draft(output.draft, 0);
    }
    flight.grants.push_back(rows.grant);
    flight.shape.add(rows.grant.position, rows.grant.rows);
    flight.samples.push_back(builder.add(granted_rows(rows, output), output));
    int64_t& counter = rows.grant.kind == RowKind::kPrompt ? flight.report.prompt_tokens
                                                           : flight.report.decode_tokens;
    counter += rows.grant.rows;
    flight.report.draft_tokens += static_cast<int64_t>(output.draft.tokens.size());
    // A proposer needs the committed token, so its sequence waits for this step alone.
    if (output.proposer != nullptr && parts_.config.schedule.steps_in_flight > 1 &&
        rows.grant.samples) {
      ledger_.pin(rows.grant.sequence);
    }
  }
  return serialize(builder.finish());
}

GrantedRows TextEngine::granted_rows(const ReservedRows& rows, const Output& output) {
  GrantedRows granted;
  granted.sequence = rows.grant.sequence;
  const bool new_slot = !slots_.contains(rows.grant.sequence);
  granted.slot = device_slot(rows.grant.sequence);
  granted.first_position = static_cast<int32_t>(rows.grant.position);
  granted.row_count = static_cast<int32_t>(rows.grant.rows);
  granted.token_in_flight = rows.grant.token_in_flight;
  granted.samples = rows.grant.samples;
  // Positions computed elsewhere (the prefix cache, another engine) are history all the same.
  granted.cached_tokens = rows.first || new_slot ? static_cast<int32_t>(rows.grant.position) : 0;
  granted.tokens = ledger_.at(rows.grant.sequence).tokens;
  for (const auto& table : rows.tables) {
    granted.tables.push_back(std::span<const int32_t>(table.data(), table.size()));
  }
  granted.state_slot = rows.slots.current;
  granted.draft_slots = {rows.slots.drafts.data(), rows.slots.drafts.size()};
  if (rows.grant.kind == RowKind::kVerify) granted.draft = &output.draft;
  return granted;
}

int32_t TextEngine::device_slot(SequenceId sequence) {
  const auto found = slots_.find(sequence);
  if (found != slots_.end()) return found->second;
  if (free_slots_.empty()) {
    // A preempted sequence starts over with its history, so it can do without.
    for (auto holder = slots_.begin(); holder != slots_.end(); ++holder) {
      if (ledger_.at(holder->first).state != SequenceState::kWaiting) continue;
      free_slots_.push_back(holder->second);
      slots_.erase(holder);
      break;
    }
  }
  CHECK(!free_slots_.empty());
  const int32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[sequence] = slot;
  return slot;
}

void TextEngine::note_scheduled(const ReservedRows& rows, Output& output) {
  LiveRequest& live = *output.request;
  if (!live.queued) return;
  leave_queue(live);
  live.timings.queue_seconds = seconds_since(live.submitted);
  live.usage.cached_prompt_tokens = rows.cached_tokens;
}

void TextEngine::collect_step() {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  StepResult result = parts_.workers.front()->collect();
  for (size_t rank = 1; rank < parts_.workers.size(); ++rank) parts_.workers[rank]->collect();
  StepReport& report = flight.report;
  report.device_seconds = result.device_seconds;
  costs_.add({flight.shape, result.device_seconds});
  if (costs_.due()) *parts_.cost = costs_.fit();
  StepOutcome outcome;
  outcome.step = flight.step;
  for (size_t index = 0; index < flight.grants.size(); ++index) {
    outcome.grants.push_back(
        commit_grant(flight.grants[index], flight.samples[index], result, report));
  }
  const CommitReport committed = ledger_.commit(outcome);
  std::vector<SequenceId> released = committed.released;
  std::vector<LiveRequest*> touched;
  for (const Grant& grant : flight.grants) {
    Output& output = *by_sequence_.at(grant.sequence);
    touched.push_back(output.request);
    if (output.proposer != nullptr && parts_.config.schedule.steps_in_flight > 1 && grant.samples &&
        ledger_.contains(grant.sequence) && ledger_.unpin(grant.sequence)) {
      released.push_back(grant.sequence);
    }
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  for (LiveRequest* live : touched) {
    if (live_.contains(live->request.id) && live_.at(live->request.id).get() == live) {
      if (!live->failure.ok()) {
        fail(*live, live->failure);
      } else {
        end_if_finished(*live);
      }
    }
  }
  forget(released);
  for (size_t index = 0; receiver_ != nullptr && index < flight.grants.size(); ++index) {
    const auto found = by_sequence_.find(flight.grants[index].sequence);
    if (found != by_sequence_.end() && ready_to_leave(flight.grants[index], *found->second)) {
      send(*found->second);
    }
  }
  if (parts_.observer != nullptr) parts_.observer->on_step(report);
#ifdef TESSERA_DEBUG
  for (const std::string& violation : ledger_.recount()) {
    internal::check_failed(__FILE__, __LINE__, "ledger", " " + violation);
  }
#endif
}

std::vector<SampledToken> TextEngine::sampled_tokens(const Grant& grant,
                                                     const GrantSamples& samples,
                                                     const StepResult& result, const Output& output,
                                                     StepReport& report) const {
  if (grant.kind != RowKind::kVerify) {
    return {{result.tokens[samples.sample_begin], samples.sample_begin}};
  }
  const int32_t* accepted = result.accepted.data() + int64_t{samples.tree} * Verify::kMaxPath;
  std::vector<SampledToken> tokens;
  int32_t node = 0;
  for (int32_t depth = 1; depth <= accepted[0]; ++depth) {
    // The token is told with the log-probabilities of the row it was drawn from: its parent.
    tokens.push_back({output.draft.tokens[accepted[depth] - 1], samples.sample_begin + node});
    node = accepted[depth];
  }
  tokens.push_back({result.tokens[samples.sample_begin + node], samples.sample_begin + node});
  report.accepted_draft_tokens += accepted[0];
  return tokens;
}

GrantOutcome TextEngine::commit_grant(const Grant& grant, const GrantSamples& samples,
                                      const StepResult& result, StepReport& report) {
  GrantOutcome outcome;
  Output& output = *by_sequence_.at(grant.sequence);
  LiveRequest& live = *output.request;
  if (output.finished.has_value()) return outcome;
  const Tokenizer& tokenizer = *parts_.model.tokenizer;
  collect_prompt_logprobs(tokenizer, result, static_cast<int32_t>(grant.position) + 1,
                          samples.prompt_sample_begin, samples.prompt_sample_count, live);
  if (!grant.samples) return outcome;
  report_prompt(live);
  const std::vector<SampledToken> tokens = sampled_tokens(grant, samples, result, output, report);
  live.usage.draft_tokens += static_cast<int64_t>(output.draft.tokens.size());
  live.usage.accepted_draft_tokens += static_cast<int64_t>(tokens.size()) - 1;
  output.draft = {};
  for (const SampledToken& token : tokens) {
    if (token.id < 0) {
      live.failure = absl::InternalError(
          "no token could be drawn: the logits are not finite, or "
          "every token is banned");
    }
  }
  if (!live.failure.ok()) {
    outcome.tokens = {0};
    outcome.finished = true;
    return outcome;
  }
  const int taken = emit_tokens(tokenizer, result, tokens, output);
  report.emitted_tokens += taken;
  for (int at = 0; at < taken; ++at) outcome.tokens.push_back(tokens[at].id);
  outcome.finished = output.finished.has_value();
  return outcome;
}

}  // namespace tessera
