#include "server/metrics/diffusion_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <utility>

namespace tessera {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;
using Labels = std::map<std::string, std::string>;

const Buckets kStepSeconds{.0005, .001, .0025, .005, .01, .025, .05, .1, .25,
                           .5,    1,    2,     3,    5,   10,   20,  40, 80};
// Symmetric about 1 on a logarithmic scale.
const Buckets kStepRatios{.5,   .667, .769, .8,   .87, .909, .952, 1,
                          1.05, 1.1,  1.15, 1.25, 1.3, 1.5,  2,    4};
const Buckets kStepRows{16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
const Buckets kStepJobs{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
// From an action, in milliseconds, to a long video.
const Buckets kJobSeconds{.005, .01, .025, .05, .1, .25, .5,  1,   2,   3,    5,    10,  15,
                          20,   30,  45,   60,  90, 120, 240, 480, 960, 1920, 3840, 7680};

const char* const kOutcomes[] = {"done", "cancelled", "error", "deadline"};

}  // namespace

struct DiffusionMetrics::Series {
  Series(const std::string& model_name, prometheus::Registry& registry)
      : labels{{"model_name", model_name}}, registry(registry) {
    for (const char* outcome : kOutcomes) end_of(outcome);
  }

  void refresh() {
    const std::lock_guard<std::mutex> lock(load_mutex);
    const DiffusionLoad load = load_of_engine ? load_of_engine() : DiffusionLoad{};
    running.Set(static_cast<double>(load.running));
    waiting.Set(static_cast<double>(load.waiting));
    job_bytes.Set(static_cast<double>(load.job_bytes_total));
    job_bytes_used.Set(static_cast<double>(load.job_bytes_used));
    feature_bytes.Set(static_cast<double>(load.feature_bytes_total));
    feature_bytes_used.Set(static_cast<double>(load.feature_bytes_used));
  }

  Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
  }
  Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
  }
  Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels,
                                                                                     buckets);
  }
  Counter& end_of(const std::string& outcome) { return ends.Add(with("outcome", outcome)); }
  Counter& decision(const std::string& name) { return branches.Add(with("decision", name)); }
  // Engine thread.
  void add_kind(const std::string& kind, const BranchCounts& counts) {
    KindCounters& counters = kinds[kind];
    if (counters.computed == nullptr) {
      const auto make = [&](const char* decision) {
        Labels all = with("decision", decision);
        all["kind"] = kind;
        return &kind_branches.Add(all);
      };
      counters = {make("computed"), make("kept"), make("reused")};
    }
    counters.computed->Increment(static_cast<double>(counts.computed));
    counters.kept->Increment(static_cast<double>(counts.kept));
    counters.reused->Increment(static_cast<double>(counts.reused));
  }
  Labels with(const std::string& name, const std::string& value) const {
    Labels all = labels;
    all[name] = value;
    return all;
  }

  struct KindCounters {
    Counter *computed = nullptr, *kept = nullptr, *reused = nullptr;
  };

  const Labels labels;
  prometheus::Registry& registry;
  std::map<std::string, KindCounters> kinds;  // those reported so far; engine thread
  std::mutex load_mutex;
  std::function<DiffusionLoad()> load_of_engine;  // guarded by load_mutex

  Gauge& running = gauge("tessera_diffusion_jobs_running", "Jobs being denoised or decoded.");
  Gauge& waiting = gauge("tessera_diffusion_jobs_waiting", "Jobs waiting to be admitted.");
  Gauge& job_bytes = gauge("tessera_diffusion_job_memory_bytes",
                           "Memory for latents, conditions and kept features of jobs.");
  Gauge& job_bytes_used = gauge("tessera_diffusion_job_memory_used_bytes", "Of this, taken.");
  Gauge& feature_bytes = gauge("tessera_diffusion_feature_memory_bytes",
                               "Of the memory of jobs, what is for kept outputs of branches.");
  Gauge& feature_bytes_used =
      gauge("tessera_diffusion_feature_memory_used_bytes", "Of this, taken.");
  Counter& steps = counter("tessera_diffusion_steps_total", "Steps of the engine.");
  Counter& job_steps =
      counter("tessera_diffusion_job_steps_total", "Denoising steps of jobs; a step does several.");
  Histogram& step_seconds = histogram("tessera_diffusion_step_seconds",
                                      "A step of the engine, from choice to result.", kStepSeconds);
  Histogram& step_ratio = histogram("tessera_diffusion_step_time_ratio",
                                    "Time of a step / the cost model's prediction.", kStepRatios);
  Histogram& step_rows =
      histogram("tessera_diffusion_step_rows", "Token rows of a step.", kStepRows);
  Histogram& step_jobs = histogram("tessera_diffusion_step_jobs", "Jobs in a step.", kStepJobs);
  Histogram& queue = histogram("tessera_diffusion_queue_seconds",
                               "Of a job, from acceptance to the first work.", kJobSeconds);
  Histogram& condition = histogram("tessera_diffusion_condition_seconds",
                                   "Encoding a job's prompt or observations.", kJobSeconds);
  Histogram& denoise =
      histogram("tessera_diffusion_denoise_seconds",
                "All steps of a job, those of others in between included.", kJobSeconds);
  Histogram& decode = histogram("tessera_diffusion_decode_seconds",
                                "Of a job, from latents to pixels.", kJobSeconds);
  Histogram& total = histogram("tessera_diffusion_job_seconds",
                               "Of a job, from acceptance to the end.", kJobSeconds);
  prometheus::Family<Counter>& ends = prometheus::BuildCounter()
                                          .Name("tessera_diffusion_jobs_total")
                                          .Help("Accepted jobs that have ended, by outcome.")
                                          .Register(registry);
  prometheus::Family<Counter>& branches =
      prometheus::BuildCounter()
          .Name("tessera_diffusion_branches_total")
          .Help("Branches of the network in job steps: computed, computed and kept, or reused.")
          .Register(registry);
  Counter& computed = decision("computed");
  Counter& reused = decision("reused");
  Counter& kept = decision("kept");
  prometheus::Family<Counter>& kind_branches = prometheus::BuildCounter()
                                                   .Name("tessera_diffusion_kind_branches_total")
                                                   .Help("The same by kind of branch.")
                                                   .Register(registry);
};

DiffusionMetrics::DiffusionMetrics(const std::string& model_name, prometheus::Registry& registry)
    : series_(std::make_unique<Series>(model_name, registry)) {}
DiffusionMetrics::~DiffusionMetrics() = default;

void DiffusionMetrics::describe(const DiffusionModelInfo& model) {
  Labels labels = series_->labels;
  labels["pipeline"] = model.pipeline;
  labels["conditioning"] = model.conditioning;
  labels["dtype"] = model.dtype;
  prometheus::BuildGauge()
      .Name("tessera_diffusion_model_info")
      .Help("1 for each diffusion model that is served.")
      .Register(series_->registry)
      .Add(labels)
      .Set(1);
  auto& shares = prometheus::BuildGauge()
                     .Name("tessera_diffusion_step_share")
                     .Help(
                         "Part of a full step's time that each kind of branch takes, measured "
                         "at load; \"ends\" is what stands before and after the blocks.")
                     .Register(series_->registry);
  for (const auto& [part, share] : model.step_shares) {
    Labels of_part = series_->labels;
    of_part["part"] = part;
    shares.Add(of_part).Set(share);
  }
}

void DiffusionMetrics::follow(std::function<DiffusionLoad()> load) {
  const std::lock_guard<std::mutex> lock(series_->load_mutex);
  series_->load_of_engine = std::move(load);
}

void DiffusionMetrics::refresh() { series_->refresh(); }

void DiffusionMetrics::on_denoise(const DenoiseReport& report) {
  Series& s = *series_;
  s.steps.Increment();
  s.job_steps.Increment(static_cast<double>(report.jobs));
  s.computed.Increment(static_cast<double>(report.computed));
  s.kept.Increment(static_cast<double>(report.kept));
  s.reused.Increment(static_cast<double>(report.reused));
  for (const auto& [kind, counts] : report.kinds) s.add_kind(kind, counts);
  s.step_seconds.Observe(report.device_seconds);
  if (report.predicted_seconds > 0)
    s.step_ratio.Observe(report.device_seconds / report.predicted_seconds);
  s.step_rows.Observe(static_cast<double>(report.rows));
  s.step_jobs.Observe(static_cast<double>(report.jobs));
}

void DiffusionMetrics::on_job_end(const JobTimings& timings, const std::string& outcome) {
  Series& s = *series_;
  s.end_of(outcome).Increment();
  s.total.Observe(timings.total_seconds);
  s.queue.Observe(timings.queue_seconds);
  // A job that did not come to the end has no such times.
  if (outcome != "done") return;
  s.condition.Observe(timings.condition_seconds);
  s.denoise.Observe(timings.denoise_seconds);
  s.decode.Observe(timings.decode_seconds);
}

}  // namespace tessera
