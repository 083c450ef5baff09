#include "server/metrics/text_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace tessera {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// Service levels are often promised at 2 and 3 seconds, so both are edges.
const Buckets kFirstTokenSeconds{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75, 1,
                                 2,    2.5,  3,   5,   7.5, 10,  20,  40, 80,  160, 640, 2560};
const Buckets kTokenSeconds{.001, .0025, .005, .01, .025, .05, .075, .1,  .15, .2, .3, .4,
                            .5,   .75,   1,    2,   2.5,  3,   5,    7.5, 10,  20, 40, 80};
const Buckets kRequestSeconds{.05, .1, .3, .5, .8, 1,  1.5, 2,   2.5, 3,   5,    10,
                              15,  20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kStepSeconds{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05,
                           .1,    .25,    .5,    1,    2,     3,    5,   10};
// Symmetric about 1 on a logarithmic scale.
const Buckets kStepRatios{.5,   .667, .769, .8,   .87, .909, .952, 1,
                          1.05, 1.1,  1.15, 1.25, 1.3, 1.5,  2,    4};
const Buckets kStepTokens{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
const Buckets kRequestTokens{1,    2,    5,    10,    20,    50,    100,    200,   500,
                             1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};

const char* const kOutcomes[] = {"stop", "length", "cancelled", "error", "deadline"};

}  // namespace

struct TextMetrics::Series {
  Series(const std::string& model_name, prometheus::Registry& registry)
      : labels{{"model_name", model_name}}, registry(registry) {
    for (const char* outcome : kOutcomes) end_of(outcome);
    for (const char* part : {"weights", "kv", "states", "scratch"}) memory_of(part);
  }

  void refresh() {
    const std::lock_guard<std::mutex> lock(load_mutex);
    const EngineLoad load = load_of_engine ? load_of_engine() : EngineLoad{};
    running.Set(static_cast<double>(load.running));
    waiting.Set(static_cast<double>(load.waiting));
    kv_blocks.Set(static_cast<double>(load.blocks_total));
    kv_usage.Set(load.blocks_total > 0 ? static_cast<double>(load.blocks_used) /
                                             static_cast<double>(load.blocks_total)
                                       : 0.0);
    state_slots.Set(static_cast<double>(load.state_slots_total));
    state_slots_used.Set(static_cast<double>(load.state_slots_used));
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
  Counter& end_of(const std::string& outcome) {
    return requests.Add({{"model_name", labels.at("model_name")}, {"outcome", outcome}});
  }

  Gauge& memory_of(const std::string& part) {
    return memory_plan.Add({{"model_name", labels.at("model_name")}, {"part", part}});
  }

  const std::map<std::string, std::string> labels;
  prometheus::Registry& registry;
  std::mutex load_mutex;
  std::function<EngineLoad()> load_of_engine;  // guarded by load_mutex

  Gauge& running = gauge("tessera_requests_running", "Outputs being generated.");
  Gauge& waiting = gauge("tessera_requests_waiting", "Outputs waiting to be admitted.");
  Gauge& kv_usage = gauge("tessera_kv_cache_usage_ratio", "Used share of the KV blocks, 0 to 1.");
  Gauge& kv_blocks = gauge("tessera_kv_cache_blocks", "KV blocks there are.");
  Gauge& state_slots = gauge("tessera_state_slots", "States of recurrent layers there are.");
  Gauge& state_slots_used = gauge("tessera_state_slots_used", "Of these, taken.");
  Counter& prompt_tokens =
      counter("tessera_prompt_tokens_total", "Prompt tokens computed; cached ones are not.");
  Counter& generation_tokens =
      counter("tessera_generation_tokens_total", "Tokens that became output.");
  Counter& preemptions = counter("tessera_preemptions_total", "Outputs set back for lack of KV.");
  Counter& prefix_queried = counter("tessera_prefix_cache_queried_tokens_total",
                                    "Prompt tokens looked up in the prefix cache.");
  Counter& prefix_hit = counter("tessera_prefix_cache_hit_tokens_total", "Of these, found.");
  Counter& draft_tokens =
      counter("tessera_draft_tokens_total", "Tokens that speculation proposed.");
  Counter& accepted_draft_tokens =
      counter("tessera_accepted_draft_tokens_total", "Of these, accepted.");
  Counter& steps = counter("tessera_steps_total", "Steps of the engine.");
  Histogram& step_plan =
      histogram("tessera_step_plan_seconds", "Deciding and building a step.", kStepSeconds);
  Histogram& step_device =
      histogram("tessera_step_device_seconds", "A step from launch to result.", kStepSeconds);
  Histogram& step_ratio = histogram("tessera_step_time_ratio",
                                    "Time of a step / the cost model's prediction.", kStepRatios);
  Histogram& step_tokens = histogram("tessera_step_tokens", "Rows of a step.", kStepTokens);
  Histogram& first_token = histogram("tessera_time_to_first_token_seconds",
                                     "From submission to the first token.", kFirstTokenSeconds);
  Histogram& inter_token = histogram("tessera_inter_token_latency_seconds",
                                     "Between two tokens of an output, per token.", kTokenSeconds);
  Histogram& end_to_end = histogram("tessera_e2e_request_latency_seconds",
                                    "From submission to the end.", kRequestSeconds);
  Histogram& queue_time = histogram("tessera_request_queue_time_seconds",
                                    "From submission to the first step.", kRequestSeconds);
  Histogram& request_prompt =
      histogram("tessera_request_prompt_tokens", "Prompt tokens of a request.", kRequestTokens);
  Histogram& request_generation =
      histogram("tessera_request_generation_tokens", "Output tokens of a request.", kRequestTokens);
  Family<Gauge>& memory_plan = prometheus::BuildGauge()
                                   .Name("tessera_memory_plan_bytes")
                                   .Help("Memory that the plan made at start grants, by part.")
                                   .Register(registry);
  Family<Counter>& requests = prometheus::BuildCounter()
                                  .Name("tessera_requests_total")
                                  .Help("Accepted requests that have ended, by outcome.")
                                  .Register(registry);
};

TextMetrics::TextMetrics(const std::string& model_name, prometheus::Registry& registry)
    : series_(std::make_unique<Series>(model_name, registry)) {}
TextMetrics::~TextMetrics() = default;

void TextMetrics::refresh() { series_->refresh(); }

void TextMetrics::follow(std::function<EngineLoad()> load) {
  const std::lock_guard<std::mutex> lock(series_->load_mutex);
  series_->load_of_engine = std::move(load);
}

void TextMetrics::on_memory(const MemoryReport& report) {
  series_->memory_of("weights").Increment(static_cast<double>(report.weights));
  series_->memory_of("kv").Increment(static_cast<double>(report.kv));
  series_->memory_of("states").Increment(static_cast<double>(report.states));
  series_->memory_of("scratch").Increment(static_cast<double>(report.scratch));
}

void TextMetrics::on_step(const StepReport& report) {
  Series& s = *series_;
  s.steps.Increment();
  s.prompt_tokens.Increment(static_cast<double>(report.prompt_tokens));
  s.generation_tokens.Increment(static_cast<double>(report.emitted_tokens));
  s.preemptions.Increment(static_cast<double>(report.preemptions));
  s.prefix_queried.Increment(static_cast<double>(report.prefix_queried_tokens));
  s.prefix_hit.Increment(static_cast<double>(report.prefix_hit_tokens));
  s.draft_tokens.Increment(static_cast<double>(report.draft_tokens));
  s.accepted_draft_tokens.Increment(static_cast<double>(report.accepted_draft_tokens));
  s.step_plan.Observe(report.plan_seconds);
  s.step_device.Observe(report.device_seconds);
  if (report.predicted_seconds > 0) {
    s.step_ratio.Observe(report.device_seconds / report.predicted_seconds);
  }
  s.step_tokens.Observe(static_cast<double>(report.prompt_tokens + report.decode_tokens));
}

void TextMetrics::on_request_end(const RequestReport& report) {
  Series& s = *series_;
  s.end_of(report.outcome).Increment();
  s.end_to_end.Observe(report.timings.total_seconds);
  s.queue_time.Observe(report.timings.queue_seconds);
  s.request_prompt.Observe(static_cast<double>(report.usage.prompt_tokens));
  s.request_generation.Observe(static_cast<double>(report.usage.completion_tokens));
  // A request that ended before its first token has no such time.
  if (report.usage.completion_tokens > 0) s.first_token.Observe(report.timings.first_token_seconds);
  // One lock for thousands of tokens, because this is the engine's thread.
  std::vector<double> counts(kTokenSeconds.size() + 1);
  double sum = 0;
  for (const double seconds : report.inter_token_seconds) {
    const auto edge = std::lower_bound(kTokenSeconds.begin(), kTokenSeconds.end(), seconds);
    counts[edge - kTokenSeconds.begin()] += 1;
    sum += seconds;
  }
  s.inter_token.ObserveMultiple(counts, sum);
}

}  // namespace tessera
