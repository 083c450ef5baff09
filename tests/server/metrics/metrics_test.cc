#include "server/metrics/metrics.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::HasSubstr;

// Metrics of one language model, called m.
struct TextSeries {
  Metrics all;
  TextMetrics& text = all.add_text("m");
};

// The value of the series whose name and labels are `series`, or -1.
double value(const TextSeries& metrics, const std::string& series) {
  for (const absl::string_view line : absl::StrSplit(metrics.all.text(), '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    double number = -1;
    if (parts.size() == 2 && parts[0] == series && absl::SimpleAtod(parts[1], &number))
      return number;
  }
  return -1;
}

double plain(const TextSeries& metrics, const std::string& name) {
  return value(metrics, name + "{model_name=\"m\"}");
}

TEST(Metrics, SeriesExistFromTheStart) {
  const TextSeries metrics;
  for (const char* name :
       {"tessera_requests_running", "tessera_requests_waiting", "tessera_kv_cache_usage_ratio",
        "tessera_prompt_tokens_total", "tessera_generation_tokens_total",
        "tessera_preemptions_total", "tessera_prefix_cache_queried_tokens_total",
        "tessera_prefix_cache_hit_tokens_total", "tessera_draft_tokens_total",
        "tessera_accepted_draft_tokens_total", "tessera_steps_total",
        "tessera_time_to_first_token_seconds_count", "tessera_inter_token_latency_seconds_count",
        "tessera_e2e_request_latency_seconds_count", "tessera_request_queue_time_seconds_count",
        "tessera_step_plan_seconds_count", "tessera_step_device_seconds_count",
        "tessera_step_tokens_count"})
    EXPECT_EQ(plain(metrics, name), 0) << name;
  for (const char* outcome : {"stop", "length", "cancelled", "error", "deadline"})
    EXPECT_EQ(value(metrics, absl::StrCat("tessera_requests_total{model_name=\"m\",outcome=\"",
                                          outcome, "\"}")),
              0)
        << outcome;
  EXPECT_GT(value(metrics, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(value(metrics, "process_start_time_seconds"), 1e9);
}

TEST(Metrics, StepsAddUp) {
  TextSeries metrics;
  for (int step = 0; step < 3; ++step)
    metrics.text.on_step({.plan_seconds = 0.001,
                          .device_seconds = 0.02,
                          .predicted_seconds = 0.016,
                          .prompt_tokens = 10,
                          .decode_tokens = 4,
                          .draft_tokens = 5,
                          .accepted_draft_tokens = 2,
                          .emitted_tokens = 6,
                          .preemptions = 1,
                          .prefix_queried_tokens = 32,
                          .prefix_hit_tokens = 16});
  EXPECT_EQ(plain(metrics, "tessera_steps_total"), 3);
  EXPECT_EQ(plain(metrics, "tessera_prompt_tokens_total"), 30);
  EXPECT_EQ(plain(metrics, "tessera_generation_tokens_total"), 18);
  EXPECT_EQ(plain(metrics, "tessera_preemptions_total"), 3);
  EXPECT_EQ(plain(metrics, "tessera_prefix_cache_hit_tokens_total"), 48);
  EXPECT_EQ(plain(metrics, "tessera_draft_tokens_total"), 15);
  EXPECT_EQ(plain(metrics, "tessera_accepted_draft_tokens_total"), 6);
  EXPECT_EQ(value(metrics, "tessera_step_tokens_bucket{model_name=\"m\",le=\"8\"}"), 0);
  EXPECT_EQ(value(metrics, "tessera_step_tokens_bucket{model_name=\"m\",le=\"16\"}"), 3);
  EXPECT_NEAR(plain(metrics, "tessera_step_device_seconds_sum"), 0.06, 1e-9);
  EXPECT_NEAR(plain(metrics, "tessera_step_time_ratio_sum"), 3.75, 1e-9);
}

TEST(Metrics, LoadAtTheTimeOfReading) {
  TextSeries metrics;
  EngineLoad load{.running = 7,
                  .waiting = 8,
                  .blocks_used = 25,
                  .blocks_total = 100,
                  .state_slots_used = 3,
                  .state_slots_total = 9};
  metrics.text.follow([&load] { return load; });
  EXPECT_EQ(plain(metrics, "tessera_requests_running"), 7);
  EXPECT_EQ(plain(metrics, "tessera_requests_waiting"), 8);
  EXPECT_EQ(plain(metrics, "tessera_kv_cache_usage_ratio"), 0.25);
  EXPECT_EQ(plain(metrics, "tessera_state_slots"), 9);
  EXPECT_EQ(plain(metrics, "tessera_state_slots_used"), 3);
  load = {.blocks_total = 100};
  EXPECT_EQ(plain(metrics, "tessera_requests_running"), 0);
  EXPECT_EQ(plain(metrics, "tessera_kv_cache_usage_ratio"), 0);
  EXPECT_EQ(plain(metrics, "tessera_kv_cache_blocks"), 100);
  metrics.text.follow(nullptr);
  EXPECT_EQ(plain(metrics, "tessera_kv_cache_blocks"), 0);
}

TEST(Metrics, MemoryOfAllPools) {
  TextSeries metrics;
  const std::string kv = "tessera_memory_plan_bytes{model_name=\"m\",part=\"kv\"}";
  EXPECT_EQ(value(metrics, kv), 0);
  metrics.text.on_memory({.weights = 3000, .kv = 200, .scratch = 10});
  metrics.text.on_memory({.weights = 3000, .kv = 100, .scratch = 10});
  EXPECT_EQ(value(metrics, kv), 300);
}

TEST(Metrics, RequestsAndTheirTimes) {
  TextSeries metrics;
  RequestReport report;
  report.usage = {.prompt_tokens = 30, .completion_tokens = 4};
  report.timings = {.queue_seconds = 0.2, .first_token_seconds = 1.9, .total_seconds = 2.9};
  report.inter_token_seconds = {0.05, 0.06, 2.9};
  report.outcome = "stop";
  metrics.text.on_request_end(report);
  RequestReport refused_late;
  refused_late.outcome = "deadline";
  metrics.text.on_request_end(refused_late);
  EXPECT_EQ(value(metrics, "tessera_requests_total{model_name=\"m\",outcome=\"stop\"}"), 1);
  EXPECT_EQ(value(metrics, "tessera_requests_total{model_name=\"m\",outcome=\"deadline\"}"), 1);
  EXPECT_EQ(plain(metrics, "tessera_time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(plain(metrics, "tessera_e2e_request_latency_seconds_count"), 2);
  EXPECT_EQ(plain(metrics, "tessera_inter_token_latency_seconds_count"), 3);
  EXPECT_NEAR(plain(metrics, "tessera_inter_token_latency_seconds_sum"), 3.01, 1e-9);
  // A value on an edge belongs below it, as in a single observation.
  const std::string token = "tessera_inter_token_latency_seconds_bucket{model_name=\"m\",le=\"";
  EXPECT_EQ(value(metrics, token + "0.025\"}"), 0);
  EXPECT_EQ(value(metrics, token + "0.05\"}"), 1);
  EXPECT_EQ(value(metrics, token + "0.075\"}"), 2);
  EXPECT_EQ(value(metrics, token + "3\"}"), 3);
  // The promise "first token within 2 s" can be read off.
  const std::string first = "tessera_time_to_first_token_seconds_bucket{model_name=\"m\",le=\"";
  EXPECT_EQ(value(metrics, first + "1\"}"), 0);
  EXPECT_EQ(value(metrics, first + "2\"}"), 1);
  EXPECT_EQ(value(metrics, first + "3\"}"), 1);
}

TEST(Metrics, RefusalsByCode) {
  TextSeries metrics;
  metrics.all.on_refused("m", absl::StatusCode::kResourceExhausted);
  metrics.all.on_refused("m", absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(metrics.all.text(), HasSubstr("code=\"RESOURCE_EXHAUSTED\""));
  EXPECT_EQ(value(metrics,
                  "tessera_requests_refused_total{code=\"RESOURCE_EXHAUSTED\",model_name=\"m\"}"),
            2);
}

TEST(Metrics, ReadWhileItCounts) {
  TextSeries metrics;
  std::thread counting([&] {
    for (int step = 0; step < 5000; ++step) metrics.text.on_step({.emitted_tokens = 1});
  });
  for (int read = 0; read < 20; ++read) metrics.all.text();
  counting.join();
  EXPECT_EQ(plain(metrics, "tessera_generation_tokens_total"), 5000);
}

}  // namespace
}  // namespace tessera
