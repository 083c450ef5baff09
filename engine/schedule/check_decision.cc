// The rules of a step, written a second time and independently of the planner.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/schedule/plan_step.h"

namespace tessera {
namespace {

class DecisionCheck {
 public:
  DecisionCheck(const StepSnapshot& snapshot, const StepLimits& limits,
                const StepDecision& decision)
      : snapshot_(snapshot), limits_(limits), decision_(decision) {
    for (const SequenceView& seq : snapshot.running) views_[seq.key.id] = {&seq, true};
    for (const SequenceView& seq : snapshot.waiting) views_[seq.key.id] = {&seq, false};
  }

  std::vector<std::string> run() {
    check_preempted();
    for (const Grant& grant : decision_.grants) check_grant(grant);
    check_sums();
    check_shape();
    check_running_served();
    check_progress();
    return std::move(broken_);
  }

 private:
  struct Known {
    const SequenceView* seq = nullptr;
    bool running = false;
  };
  template <class... Parts>
  void fail(const Parts&... parts) {
    broken_.push_back(absl::StrCat(parts...));
  }

  void check_preempted() {
    for (const SequenceId id : decision_.preempted) {
      if (!views_.contains(id) || !preempted_.insert(id).second) {
        fail("sequence ", id, " is preempted twice or unknown");
        continue;
      }
      const auto [seq, running] = views_[id];
      if (seq->pinned || seq->leaving || !(running || seq->fork_ready)) {
        fail("sequence ", id, " cannot be preempted");
      }
    }
    if (!decision_.preempted.empty() && !decision_.admitted.empty()) {
      fail("admits in the step that takes memory back");
    }
  }

  void check_grant(const Grant& grant) {
    const SequenceId id = grant.sequence;
    if (!views_.contains(id)) return fail("sequence ", id, " is unknown");
    if (!granted_.insert(id).second) fail("sequence ", id, " has two grants");
    if (preempted_.contains(id)) fail("sequence ", id, " is both granted and preempted");
    const auto [seq, running] = views_[id];
    const std::set<SequenceId> admitted(decision_.admitted.begin(), decision_.admitted.end());
    if (running == admitted.contains(id)) fail("sequence ", id, " is admitted wrongly or not");
    if (seq->blocked || seq->leaving) fail("sequence ", id, " can take no rows");
    if (grant.position != seq->next_position) fail("sequence ", id, " begins elsewhere");
    bool right = grant.rows >= 1;
    if (seq->in_prompt()) {
      right &= grant.kind == RowKind::kPrompt && grant.rows <= seq->chunk_max &&
               grant.samples == (grant.rows == seq->prompt_left()) && !grant.token_in_flight;
    } else {
      right &= grant.kind == (grant.rows > 1 ? RowKind::kVerify : RowKind::kDecode) &&
               grant.rows <= seq->rows_wanted && grant.samples &&
               grant.token_in_flight == seq->token_in_flight;
      right &= grant.rows == 1 || seq->in_flight == 0;
    }
    if (!right) fail("sequence ", id, " has a wrong grant of ", grant.rows, " rows");
  }

  void check_sums() {
    tokens_left_ = limits_.tokens_per_step;
    for (const GroupView& group : snapshot_.groups) blocks_left_.push_back(group.available);
    int64_t slots_left = snapshot_.state_slots_free;
    for (const SequenceId id : preempted_) {
      const SequenceView& seq = *views_[id].seq;
      if (seq.in_flight > 0) continue;
      slots_left += seq.has_state_slot ? 1 : 0;
      for (size_t group = 0; group < blocks_left_.size(); ++group) {
        blocks_left_[group] += seq.groups[group].exclusive;
      }
    }
    for (const Grant& grant : decision_.grants) {
      if (!views_.contains(grant.sequence)) continue;
      const auto [seq, running] = views_[grant.sequence];
      tokens_left_ -= grant.rows;
      if (grant.kind != RowKind::kDecode) spare_rows_ = true;
      if (snapshot_.state_slots_total > 0) {
        slots_left -= (seq->has_state_slot ? 0 : 1);
        if (grant.kind == RowKind::kVerify) slots_left -= grant.rows - 1;
      }
      for (size_t group = 0; group < blocks_left_.size(); ++group) {
        blocks_left_[group] -= seq->blocks_for(static_cast<int>(group), grant.rows);
        if (!running) blocks_left_[group] -= seq->groups[group].revived;
      }
    }
    if (tokens_left_ < 0) fail("rows exceed the token budget by ", -tokens_left_);
    if (slots_left < 0) fail("state slots exceed the free ones by ", -slots_left);
    for (size_t group = 0; group < blocks_left_.size(); ++group) {
      if (blocks_left_[group] < 0)
        fail("group ", group, " lacks ", -blocks_left_[group], " blocks");
    }
    const size_t after = snapshot_.running.size() + decision_.admitted.size();
    if (!decision_.admitted.empty() && static_cast<int64_t>(after) > limits_.seqs_max) {
      fail(after, " sequences run, seqs_max is ", limits_.seqs_max);
    }
  }

  // What the grants compute; and drafts, which come last, must not make the step too long.
  void check_shape() {
    StepShape shape;
    bool drafts = false;
    for (const Grant& grant : decision_.grants) {
      shape.add(grant.position, grant.rows);
      drafts |= grant.kind == RowKind::kVerify;
    }
    if (!(shape == decision_.shape)) fail("the step's shape is not that of its grants");
    const double target = limits_.step_time_target_seconds;
    if (drafts && limits_.cost != nullptr && target > 0 && limits_.cost->predict(shape) > target) {
      fail("drafts make a step of ", limits_.cost->predict(shape), " s, the target is ", target);
    }
  }

  // Decode goes first: a running output is refused only when blocks or the whole budget run out.
  void check_running_served() {
    // A circle of memory was broken: the next step uses what came back.
    if (decision_.grants.empty() && !decision_.preempted.empty()) return;
    for (const SequenceView& seq : snapshot_.running) {
      const SequenceId id = seq.key.id;
      if (seq.blocked || seq.leaving || seq.in_prompt() || granted_.contains(id)) continue;
      if (preempted_.contains(id)) continue;
      bool fits = true;
      for (size_t group = 0; group < blocks_left_.size(); ++group) {
        fits &= seq.blocks_for(static_cast<int>(group), 1) <= blocks_left_[group];
      }
      // Best effort runs in what is left; the latency class comes before prompts and drafts.
      const bool rows_left = tokens_left_ > 0 || (spare_rows_ && !seq.best_effort);
      if (fits && rows_left) fail("sequence ", id, " decodes and was refused its row");
    }
  }

  void check_progress() {
    bool waits_for_others = snapshot_.steps_in_flight > 0;
    for (const SequenceView& seq : snapshot_.running) waits_for_others |= seq.pinned;
    const bool work = snapshot_.work_waits || !snapshot_.running.empty();
    const bool stuck = decision_.empty() && !waits_for_others && work;
    if (stuck != (decision_.stuck != kNoSequence)) {
      fail(stuck ? "nothing can run and nobody is named" : "somebody is named though work goes on");
    }
  }

  const StepSnapshot& snapshot_;
  const StepLimits& limits_;
  const StepDecision& decision_;
  std::map<SequenceId, Known> views_;
  std::set<SequenceId> granted_, preempted_;
  std::vector<int64_t> blocks_left_;
  int64_t tokens_left_ = 0;
  bool spare_rows_ = false;  // rows went to prompts or drafts
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> check_decision(const StepSnapshot& snapshot, const StepLimits& limits,
                                        const StepDecision& decision) {
  return DecisionCheck(snapshot, limits, decision).run();
}

}  // namespace tessera
