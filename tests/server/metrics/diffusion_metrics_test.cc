#include "server/metrics/diffusion_metrics.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/metrics/metrics.h"

namespace tessera {
namespace {

using testing::HasSubstr;

// The value of the series whose name and labels are `series`, or -1.
double value(const Metrics& metrics, const std::string& series) {
  for (const absl::string_view line : absl::StrSplit(metrics.text(), '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    double number = -1;
    if (parts.size() == 2 && parts[0] == series && absl::SimpleAtod(parts[1], &number))
      return number;
  }
  return -1;
}

double of(const Metrics& metrics, const std::string& name, const std::string& model = "d") {
  return value(metrics, absl::StrCat(name, "{model_name=\"", model, "\"}"));
}

TEST(DiffusionMetrics, SeriesExistFromTheStart) {
  Metrics metrics;
  metrics.add_diffusion("d");
  for (const char* name :
       {"tessera_diffusion_jobs_running", "tessera_diffusion_jobs_waiting",
        "tessera_diffusion_job_memory_bytes", "tessera_diffusion_job_memory_used_bytes",
        "tessera_diffusion_feature_memory_used_bytes", "tessera_diffusion_steps_total",
        "tessera_diffusion_job_steps_total", "tessera_diffusion_step_seconds_count",
        "tessera_diffusion_step_time_ratio_count", "tessera_diffusion_queue_seconds_count",
        "tessera_diffusion_denoise_seconds_count", "tessera_diffusion_decode_seconds_count",
        "tessera_diffusion_job_seconds_count"})
    EXPECT_EQ(of(metrics, name), 0) << name;
  for (const char* outcome : {"done", "cancelled", "error", "deadline"})
    EXPECT_EQ(
        value(metrics, absl::StrCat("tessera_diffusion_jobs_total{model_name=\"d\",outcome=\"",
                                    outcome, "\"}")),
        0);
  EXPECT_GT(value(metrics, "process_resident_memory_bytes"), 1 << 20);
}

TEST(DiffusionMetrics, StepsAddUp) {
  Metrics metrics;
  DiffusionMetrics& model = metrics.add_diffusion("d");
  DenoiseReport report;
  report.jobs = 3;
  report.rows = 100;
  report.computed = 30;
  report.kept = 5;
  report.reused = 10;
  report.kinds = {{"self", {.computed = 20, .kept = 5, .reused = 4}}};
  report.device_seconds = 0.02;
  report.predicted_seconds = 0.016;
  model.on_denoise(report);
  model.on_denoise(report);
  EXPECT_EQ(of(metrics, "tessera_diffusion_steps_total"), 2);
  EXPECT_EQ(of(metrics, "tessera_diffusion_job_steps_total"), 6);
  const std::string branches = "tessera_diffusion_branches_total{decision=\"";
  EXPECT_EQ(value(metrics, branches + "computed\",model_name=\"d\"}"), 60);
  EXPECT_EQ(value(metrics, branches + "kept\",model_name=\"d\"}"), 10);
  EXPECT_EQ(value(metrics, branches + "reused\",model_name=\"d\"}"), 20);
  EXPECT_EQ(value(metrics,
                  "tessera_diffusion_kind_branches_total{decision=\"reused\",kind=\"self\","
                  "model_name=\"d\"}"),
            8);
  EXPECT_NEAR(of(metrics, "tessera_diffusion_step_seconds_sum"), 0.04, 1e-9);
  EXPECT_NEAR(of(metrics, "tessera_diffusion_step_time_ratio_sum"), 2.5, 1e-9);
  EXPECT_EQ(of(metrics, "tessera_diffusion_step_jobs_sum"), 6);
}

TEST(DiffusionMetrics, TimesOfJobsByOutcome) {
  Metrics metrics;
  DiffusionMetrics& model = metrics.add_diffusion("d");
  model.on_job_end(
      {.queue_seconds = 0.5, .denoise_seconds = 2, .decode_seconds = 1, .total_seconds = 3.5},
      "done");
  model.on_job_end({.queue_seconds = 1.5, .total_seconds = 2}, "cancelled");
  EXPECT_EQ(value(metrics, "tessera_diffusion_jobs_total{model_name=\"d\",outcome=\"done\"}"), 1);
  EXPECT_EQ(of(metrics, "tessera_diffusion_queue_seconds_sum"), 2);
  EXPECT_EQ(of(metrics, "tessera_diffusion_job_seconds_count"), 2);
  EXPECT_EQ(of(metrics, "tessera_diffusion_denoise_seconds_count"), 1);
  EXPECT_EQ(of(metrics, "tessera_diffusion_decode_seconds_sum"), 1);
}

TEST(DiffusionMetrics, LoadAtTheTimeOfReadingAndModelsApart) {
  Metrics metrics;
  DiffusionMetrics& one = metrics.add_diffusion("d");
  DiffusionMetrics& two = metrics.add_diffusion("e");
  metrics.add_text("t");
  DiffusionLoad load;
  load.running = 3;
  load.waiting = 4;
  load.job_bytes_used = 10;
  load.job_bytes_total = 100;
  load.feature_bytes_used = 7;
  one.follow([&load] { return load; });
  two.follow([] { return DiffusionLoad{}; });
  EXPECT_EQ(of(metrics, "tessera_diffusion_jobs_running"), 3);
  EXPECT_EQ(of(metrics, "tessera_diffusion_job_memory_used_bytes"), 10);
  EXPECT_EQ(of(metrics, "tessera_diffusion_feature_memory_used_bytes"), 7);
  EXPECT_EQ(of(metrics, "tessera_diffusion_jobs_running", "e"), 0);
  EXPECT_EQ(of(metrics, "tessera_requests_running", "t"), 0);
  metrics.unfollow();
  EXPECT_EQ(of(metrics, "tessera_diffusion_jobs_running"), 0);
  // A family is described once, however many models have it.
  const std::string text = metrics.text();
  const std::string head = "# TYPE tessera_diffusion_jobs_running gauge";
  EXPECT_EQ(text.find(head), text.rfind(head));
  EXPECT_THAT(text, HasSubstr(head));
}

TEST(DiffusionMetrics, TellsWhatTheModelIs) {
  Metrics metrics;
  DiffusionModelInfo info;
  info.pipeline = "DiTPipeline";
  info.conditioning = "class";
  info.dtype = "bf16";
  info.step_shares = {{"ends", 0.25}, {"mlp", 0.75}};
  metrics.add_diffusion("d").describe(info);
  EXPECT_THAT(metrics.text(),
              HasSubstr("tessera_diffusion_model_info{conditioning=\"class\",dtype=\"bf16\","
                        "model_name=\"d\",pipeline=\"DiTPipeline\"} 1"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("tessera_diffusion_step_share{model_name=\"d\",part=\"mlp\"} 0.75"));
}

}  // namespace
}  // namespace tessera
