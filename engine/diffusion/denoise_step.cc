#include "engine/diffusion/denoise_step.h"

#include <algorithm>

#include "engine/diffusion/recording.h"
#include "engine/diffusion/step_work.h"

namespace tessera {

void DenoiseStep::add(Job& job) {
  modulate_when_due(job);
  jobs_.push_back({&job, job.step});
  for (size_t index = 0; index < job.samples.size(); ++index) {
    Sample sample{&job, index, plan_.segments.size(), job.running_branches(index), {}};
    if (job.plan.caches) {
      sample.verdicts.emplace(rules_.policies.network, job.cache->plan(), job.step);
    }
    for (size_t branch = 0; branch < sample.segments; ++branch) {
      plan_.segments.push_back(segment_of(job, job.samples[index], branch));
      const DenoiseSegment& segment = plan_.segments.back().segment;
      report_.rows += segment.row_count + segment.context_count;
    }
    decide(sample);
    samples_.push_back(std::move(sample));
  }
}

void DenoiseStep::launch() {
  report_.jobs = static_cast<int64_t>(jobs_.size());
  worker_.lay_out(plan_);
  worker_.embed();
  int block = 0;
  for (int cut = next_cut(); cut >= 0; cut = next_cut()) {
    CHECK_GE(cut, block);
    worker_.blocks(block, cut);
    block = cut;
    ask_before(cut);
    worker_.lay_out(plan_);
  }
  worker_.blocks(block, worker_.denoiser().block_count());
  worker_.head();
  for (const auto& [job, step] : jobs_) {
    if (job->record != nullptr) append_recording(worker_, *job);
  }
  compare_answers();
  append_solver_steps();
  end_ = worker_.stream().record();
  std::span<const Sample> rest = samples_;
  for (const auto& [job, step] : jobs_) {
    tell(*job, rest.first(job->samples.size()));
    rest = rest.subspan(job->samples.size());
  }
  for (const Sample& sample : samples_) settle(sample);
  for (size_t kind = 0; kind < by_kind_.size(); ++kind) {
    const BranchCounts& counts = by_kind_[kind];
    if (counts.computed + counts.kept + counts.reused > 0)
      report_.kinds[site_kind_name(static_cast<SiteKind>(kind))] = counts;
  }
}

void DenoiseStep::wait() {
  worker_.stream().wait(end_);
  for (size_t which = 0; which < comparison_.samples.size(); ++which) {
    const Sample& sample = *comparison_.samples[which];
    sample.job->guidance->observe(sample.held().index, sample.job->step,
                                  Probes::products(comparison_.sums, which));
  }
  comparison_.samples.clear();
}

void DenoiseStep::modulate_when_due(Job& job) {
  if (job.step % DenoiseWorker::kWindow != 0) return;
  const std::vector<float>& all = job.solver->steps().timesteps;
  const size_t count =
      std::min<size_t>(DenoiseWorker::kWindow, all.size() - static_cast<size_t>(job.step));
  for (const JobSample& sample : job.samples) {
    for (size_t which = 0; which < job.branches.size(); ++which) {
      const JobBranch& branch = job.branches[which];
      worker_.modulate({.slot = sample.branches[which].modulation_slot,
                        .timesteps = std::span(all).subspan(job.step, count),
                        .label = branch.label,
                        .pooled = branch.pooled.values,
                        .extra = job.extra});
    }
  }
}

PlannedSegment DenoiseStep::segment_of(const Job& job, const JobSample& sample,
                                       size_t which) const {
  const JobBranch& branch = job.branches[which];
  const SampleBranch& held = sample.branches[which];
  PlannedSegment planned;
  DenoiseSegment& segment = planned.segment;
  segment.shape = job.shape;
  segment.row_count = static_cast<int32_t>(job.tokens);
  segment.context_count = branch.context_store >= 0 ? static_cast<int32_t>(branch.keys()) : 0;
  segment.input_offset = sample.latents;
  segment.output_offset = held.output_offset;
  segment.modulation =
      held.modulation_slot * DenoiseWorker::kWindow + job.step % DenoiseWorker::kWindow;
  segment.condition_keys = static_cast<int32_t>(branch.keys() + rules_.facts.condition_first_key);
  segment.context_store = branch.context_store;
  planned.positions = &job.positions;
  planned.condition_pages = branch.pages;
  return planned;
}

void DenoiseStep::decide(const Sample& sample) {
  if (!sample.verdicts.has_value()) return;
  for (size_t branch = 0; branch < sample.segments; ++branch) {
    sample.verdicts->decide(sample.job->feature_sizes(branch),
                            sample.held().branches[branch].features,
                            plan_.segments[sample.first_segment + branch]);
  }
}

int DenoiseStep::next_cut() const {
  int next = -1;
  for (const Sample& sample : samples_) {
    const int cut = sample.verdicts.has_value() ? sample.verdicts->open_cut() : -1;
    if (cut < 0) continue;
    const int block = sample.job->cache->plan().cuts[cut].before_block;
    next = next < 0 ? block : std::min(next, block);
  }
  return next;
}

void DenoiseStep::ask_before(int block) {
  std::vector<FeaturePair> pairs;
  std::vector<Sample*> asking;
  for (Sample& sample : samples_) {
    const int open = sample.verdicts.has_value() ? sample.verdicts->open_cut() : -1;
    if (open < 0) continue;
    const CachePlan& cache = sample.job->cache->plan();
    if (cache.cuts[open].before_block != block) continue;
    asking.push_back(&sample);
    for (size_t branch = 0; branch < sample.segments; ++branch) {
      const FeatureSlots& slots = sample.held().branches[branch].features;
      pairs.push_back({slots.of(cache.all_sites() + open), slots.of(cache.cuts[open].probe),
                       sample.job->tokens});
    }
  }
  const std::vector<RangeChange> changes = worker_.probes().changes(worker_.stream(), pairs);
  std::span<const RangeChange> rest = changes;
  for (Sample* sample : asking) {
    sample->verdicts->answer(
        sample->job->cache->decide({.sample = sample->held().index,
                                    .step = sample->job->step,
                                    .cut = sample->verdicts->open_cut(),
                                    .branches = rest.first(sample->segments)}));
    rest = rest.subspan(sample->segments);
    decide(*sample);
  }
}

// The answers as they are, or what they predict: the latter in ranges that the solver and guidance
// write only afterwards.
void DenoiseStep::compare_answers() {
  std::vector<CombineEntry> predictions;
  std::vector<AnswerPair> pairs;
  for (const Sample& sample : samples_) {
    const Job& job = *sample.job;
    if (sample.segments < 2) continue;
    const std::optional<GuidanceSpace> space = job.guidance->probe(sample.held().index, job.step);
    if (!space.has_value()) continue;
    const JobSample& held = sample.held();
    AnswerPair pair{held.branches[0].output_offset, held.branches[1].output_offset,
                    job.shape.elements()};
    if (*space == GuidanceSpace::kDenoised) {
      pair.conditional = held.denoised;
      pair.unconditional = held.output;
      predictions.push_back(predicted_latents(job, held, 0, pair.conditional));
      predictions.push_back(predicted_latents(job, held, 1, pair.unconditional));
    }
    pairs.push_back(pair);
    comparison_.samples.push_back(&sample);
  }
  worker_.combine_pool(predictions);
  worker_.probes().append_products(worker_.stream(), pairs, comparison_.sums);
}

void DenoiseStep::settle(const Sample& sample) {
  if (!sample.verdicts.has_value()) return;
  for (SampleBranch& branch : sample.held().branches) sample.verdicts->settle(branch.features);
}

// What the job did, to its summary and trace and to the report.
void DenoiseStep::tell(Job& job, std::span<const Sample> samples) {
  const std::vector<CacheSite>& sites = rules_.policies.network.sites;
  const size_t step = static_cast<size_t>(job.step);
  if (job.request.trace && job.trace.size() <= step) job.trace.emplace_back();
  for (const Sample& sample : samples) {
    const auto segments = static_cast<int64_t>(sample.segments);
    for (int site = 0; site < rules_.sites; ++site) {
      const VerdictCounts counts = sample.verdicts.has_value() ? sample.verdicts->counts(site)
                                                               : VerdictCounts{.computed = 1};
      const auto add = [&](auto& sums) {
        sums.computed += segments * counts.computed;
        sums.kept += segments * counts.kept;
        sums.reused += segments * counts.reused;
      };
      add(job.summary);
      add(report_);
      add(by_kind_[static_cast<size_t>(sites[site].kind)]);
    }
    if (!job.request.trace) continue;
    std::string letters(rules_.sites, 'C');
    if (sample.verdicts.has_value()) letters = sample.verdicts->letters();
    if (sample.segments < job.branches.size()) letters += ":c";
    std::string& words = job.trace[step];
    if (!words.empty()) words += ' ';
    words += letters;
  }
}

// Combinations of all jobs at the same place of their lists go in one call: they touch different
// samples, so none reads what another writes.
void DenoiseStep::append_solver_steps() {
  std::vector<std::vector<CombineEntry>> stages;
  const auto add = [&stages](size_t stage, const CombineEntry& entry) {
    if (stages.size() <= stage) stages.resize(stage + 1);
    stages[stage].push_back(entry);
  };
  for (const auto& [job, step] : jobs_) {
    const int64_t elements = job->shape.elements();
    const std::vector<Combination> combinations = job->solver->step(step);
    const bool draws = reads_noise(combinations);
    for (size_t which = 0; which < job->samples.size(); ++which) {
      JobSample& sample = job->samples[which];
      if (draws) {
        std::vector<float> noise(elements);
        sample.draws->draw(NoisePurpose::kStep, step, noise);
        worker_.upload(sample.noise, noise);
      }
      add(0, guided_output(*job, which));
      if (shows_preview(*job)) {
        CombineEntry shown = entry_of(job->solver->denoised(step), sample, elements);
        shown.out_offset = sample.branches[0].output_offset;
        add(1, shown);
      }
      size_t stage = 2;  // the solver writes what a preview reads
      for (const Combination& combination : combinations) {
        add(stage++, entry_of(combination, sample, elements));
      }
    }
  }
  for (const std::vector<CombineEntry>& stage : stages) worker_.combine_pool(stage);
}

}  // namespace tessera
