#include "engine/diffusion/recount.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {
namespace {

// What is taken of one pool, as [begin, end).
struct Taken {
  const char* what;
  int64_t total = 0, used = 0;  // as the pool counts
  std::vector<std::pair<int64_t, int64_t>> ranges{};

  void add(int64_t begin, int64_t count) { ranges.emplace_back(begin, begin + count); }
  void add_blocks(const std::vector<int32_t>& blocks) {
    for (const int32_t block : blocks) add(block, 1);
  }
};

class Recount {
 public:
  explicit Recount(const JobLedger& ledger) {
    const JobPools total = ledger.total(), used = ledger.used();
    floats_ = {"floats", total.floats, used.floats};
    slots_ = {"modulation slots", total.modulation_slots, used.modulation_slots};
    pages_ = {"condition pages", total.condition_pages, used.condition_pages};
    context_ = {"context rows", total.context_rows, used.context_rows};
    features_ = {"feature blocks", total.feature_blocks, used.feature_blocks};
  }

  void admitted(const Job& job) {
    for (const JobBranch& branch : job.branches) {
      pages_.add_blocks(branch.pages);
      if (branch.context_store < 0) continue;
      context_.add(branch.context_store, round_up(branch.keys(), FloatPool::kAlign));
    }
    check_part(job);
    for (size_t which = 0; which < job.samples.size(); ++which) count_sample(job, which);
    if (job.step >= job.steps()) fail(job, "is past its last step");
  }

  void other(const Job& job) {
    check_part(job);
    bool holds = false;
    for (const JobBranch& branch : job.branches) {
      holds |= !branch.pages.empty() || branch.context_store >= 0;
    }
    for (const JobSample& sample : job.samples) {
      for (const int64_t begin : {sample.latents, sample.output, sample.noise, sample.denoised,
                                  sample.history[0], sample.history[1]}) {
        holds |= begin != FloatPool::kNone;
      }
      for (const SampleBranch& branch : sample.branches) {
        holds |= branch.modulation_slot >= 0 || branch.output_offset != FloatPool::kNone ||
                 branch.features.blocks() > 0;
      }
    }
    if (holds) fail(job, "holds something before or after its steps");
  }

  std::vector<std::string> run() {
    for (Taken* taken : {&floats_, &slots_, &pages_, &context_, &features_}) count(*taken);
    return std::move(broken_);
  }

 private:
  void fail(const Job& job, const std::string& what) {
    broken_.push_back(absl::StrCat("job ", job.request.id, " ", what));
  }

  // Its samples follow one another, and are as many as fit at most.
  void check_part(const Job& job) {
    int64_t next = job.samples.front().index;
    for (const JobSample& sample : job.samples) {
      if (sample.index != next++) fail(job, absl::StrCat("has sample ", sample.index, " twice"));
    }
    const auto count = static_cast<int64_t>(job.samples.size());
    if (next > job.n || count > job.part_samples_max) {
      fail(job, absl::StrCat("runs ", count, " samples up to ", next, " of ", job.n));
    }
  }

  void count_sample(const Job& job, size_t which) {
    const JobSample& sample = job.samples[which];
    const int64_t size = round_up(job.shape.elements(), FloatPool::kAlign);
    for (const int64_t begin : {sample.latents, sample.output, sample.noise, sample.denoised,
                                sample.history[0], sample.history[1]}) {
      if (begin != FloatPool::kNone) floats_.add(begin, size);
    }
    for (size_t at = 0; at < sample.branches.size(); ++at) {
      const SampleBranch& branch = sample.branches[at];
      floats_.add(branch.output_offset, size);
      slots_.add(branch.modulation_slot, 1);
      count_features(job, branch.features, at, at < job.running_branches(which));
    }
  }

  // Between steps a segment holds what later steps need, and no more than they need at most.
  void count_features(const Job& job, const FeatureSlots& features, size_t branch, bool runs) {
    features_.add_blocks(features.all_blocks());
    if (!job.plan.caches) return;
    if (features.blocks() != (runs ? job.plan.feature_blocks[branch][job.step] : 0)) {
      fail(job, absl::StrCat("has ", features.blocks(), " feature blocks at step ", job.step));
    }
    const CachePlan& plan = job.cache->plan();
    for (int site = 0; runs && job.step > 0 && site < plan.all_sites(); ++site) {
      if (!features.of(site).empty() && !alive_after(plan, site, job.step - 1)) {
        fail(job, absl::StrCat("keeps site ", site, " for nobody at step ", job.step));
      }
    }
  }

  void count(Taken& taken) {
    std::sort(taken.ranges.begin(), taken.ranges.end());
    int64_t sum = 0, end = 0;
    for (const auto& [first, last] : taken.ranges) {
      if (first < end || last > taken.total) {
        broken_.push_back(absl::StrCat(taken.what, ": [", first, ", ", last,
                                       ") has two owners or does not exist"));
      }
      end = last;
      sum += last - first;
    }
    if (sum != taken.used) {
      broken_.push_back(
          absl::StrCat(taken.what, ": ", taken.used, " counted as used, jobs hold ", sum));
    }
  }

  Taken floats_{}, slots_{}, pages_{}, context_{}, features_{};
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> recount(const JobLedger& ledger, const std::vector<const Job*>& admitted,
                                 const std::vector<const Job*>& others) {
  Recount recount(ledger);
  for (const Job* job : admitted) recount.admitted(*job);
  for (const Job* job : others) recount.other(*job);
  return recount.run();
}

}  // namespace tessera
