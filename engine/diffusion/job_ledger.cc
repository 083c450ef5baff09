#include "engine/diffusion/job_ledger.h"

#include "kernels/ops/packed_weight.h"

namespace tessera {
namespace {

int64_t pages_of(const JobPlan& plan, const JobBranch& branch) {
  return (plan.first_key + branch.keys() + kKvBlockTokens - 1) / kKvBlockTokens;
}

// Tensors of the latents' shape that a sample holds beside one output per branch.
int64_t latents_held(const SolverNeeds& solver, size_t branches) {
  int64_t tensors = 2 + solver.histories + (solver.noise_draws > 0 ? 1 : 0) + 1;
  return tensors + static_cast<int64_t>(branches);
}

void give_blocks(BlockPool& pool, std::vector<int32_t>& blocks) {
  for (const int32_t block : blocks) pool.release(block);
  blocks.clear();
}

}  // namespace

std::string JobNeeds::excess(const JobPools& total) const {
  const auto check = [](const char* what, int64_t need, int64_t have) {
    return need <= have ? std::string()
                        : "needs " + std::to_string(need) + " " + what + ", the engine has " +
                              std::to_string(have);
  };
  for (const std::string& words :
       {check("floats of latents", amounts.floats, total.floats),
        check("samples times guidance branches", amounts.modulation_slots, total.modulation_slots),
        check("pages of prompts", amounts.condition_pages, total.condition_pages),
        check("rows of prompts", amounts.context_rows, total.context_rows),
        check("blocks of kept features", amounts.feature_blocks, total.feature_blocks)}) {
    if (!words.empty()) return words;
  }
  return "";
}

JobLedger::JobLedger(const JobPools& pools)
    : total_(pools),
      floats_(pools.floats),
      context_(pools.context_rows),
      modulation_(pools.modulation_slots),
      pages_(pools.condition_pages),
      features_(pools.feature_blocks) {}

JobNeeds JobLedger::needs(const Job& job) {
  const JobPlan& plan = job.plan;
  JobNeeds needs;
  const int64_t samples = static_cast<int64_t>(job.samples.size());
  needs.amounts.floats = samples * latents_held(plan.solver, job.branches.size()) *
                         round_up(job.shape.elements(), FloatPool::kAlign);
  needs.amounts.modulation_slots = job.segments();
  for (const JobBranch& branch : job.branches) {
    if (plan.has_pages) needs.amounts.condition_pages += pages_of(plan, branch);
    const int64_t context = plan.has_context ? branch.keys() : 0;
    needs.amounts.context_rows += round_up(context, FloatPool::kAlign);
  }
  for (const std::vector<int64_t>& blocks : plan.feature_blocks) {
    needs.amounts.feature_blocks += samples * blocks.front();
  }
  return needs;
}

bool JobLedger::take_floats(int64_t count, int64_t& begin) {
  begin = floats_.take(count);
  return begin != FloatPool::kNone;
}

bool JobLedger::take_blocks(BlockPool& pool, int64_t count, std::vector<int32_t>& blocks) {
  for (int64_t taken = 0; taken < count; ++taken) {
    const BlockId block = pool.take();
    if (block == kNoBlock) return false;
    blocks.push_back(block);
  }
  return true;
}

bool JobLedger::take_sample(Job& job, JobSample& sample) {
  const JobPlan& plan = job.plan;
  const int64_t elements = job.shape.elements();
  bool ok = take_floats(elements, sample.latents) && take_floats(elements, sample.output) &&
            take_floats(elements, sample.denoised);
  if (ok && plan.solver.noise_draws > 0) ok = take_floats(elements, sample.noise);
  for (int which = 0; ok && which < plan.solver.histories; ++which) {
    ok = take_floats(elements, sample.history[which]);
  }
  for (size_t which = 0; ok && which < job.branches.size(); ++which) {
    SampleBranch& branch = sample.branches[which];
    branch.modulation_slot = modulation_.take();
    ok = branch.modulation_slot != kNoBlock && take_floats(elements, branch.output_offset);
    if (!ok || !plan.caches) continue;
    std::vector<int32_t> blocks;
    ok = take_blocks(features_, plan.feature_blocks[which].front(), blocks);
    const CachePlan& cache = job.cache->plan();
    branch.features.give(std::move(blocks),
                         cache.all_sites() + static_cast<int>(cache.cuts.size()));
  }
  return ok;
}

bool JobLedger::admit(Job& job) {
  const JobPlan& plan = job.plan;
  bool ok = true;
  for (JobBranch& branch : job.branches) {
    if (ok && plan.has_pages) {
      ok = take_blocks(pages_, pages_of(plan, branch), branch.pages);
    }
    if (ok && plan.has_context) {
      branch.context_store = static_cast<int32_t>(context_.take(branch.keys()));
      ok = branch.context_store != FloatPool::kNone;
    }
  }
  for (JobSample& sample : job.samples) ok = ok && take_sample(job, sample);
  if (!ok) release(job);
  return ok;
}

void JobLedger::release(Job& job) {
  const int64_t elements = job.shape.elements();
  const auto give_floats = [&](int64_t& begin) {
    if (begin != FloatPool::kNone) floats_.release(begin, elements);
    begin = FloatPool::kNone;
  };
  for (JobBranch& branch : job.branches) {
    give_blocks(pages_, branch.pages);
    if (branch.context_store >= 0) context_.release(branch.context_store, branch.keys());
    branch.context_store = -1;
  }
  for (JobSample& sample : job.samples) {
    for (int64_t* begin : {&sample.latents, &sample.output, &sample.noise, &sample.denoised,
                           &sample.history[0], &sample.history[1]}) {
      give_floats(*begin);
    }
    for (SampleBranch& branch : sample.branches) {
      give_floats(branch.output_offset);
      if (branch.modulation_slot >= 0) modulation_.release(branch.modulation_slot);
      branch.modulation_slot = -1;
      std::vector<int32_t> blocks = branch.features.give_up();
      give_blocks(features_, blocks);
    }
  }
}

void JobLedger::trim(Job& job) {
  if (!job.plan.caches) return;
  for (size_t which = 0; which < job.samples.size(); ++which) {
    std::vector<SampleBranch>& branches = job.samples[which].branches;
    const size_t running = job.step < job.steps() ? job.running_branches(which) : 0;
    for (size_t branch = 0; branch < branches.size(); ++branch) {
      FeatureSlots& slots = branches[branch].features;
      std::vector<int32_t> gone = branch < running
                                      ? slots.shrink(job.plan.feature_blocks[branch][job.step])
                                      : slots.give_up();
      give_blocks(features_, gone);
    }
  }
}

JobPools JobLedger::used() const {
  return {floats_.used(), modulation_.held(), pages_.held(), context_.used(), features_.held()};
}

}  // namespace tessera
