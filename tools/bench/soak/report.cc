#include "tools/bench/soak/report.h"

#include <cstdarg>
#include <cstdio>

#include "nlohmann/json.hpp"

namespace tessera {
namespace {

constexpr double kRatioLow = 0.87, kRatioHigh = 1.15;

double gibibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

__attribute__((format(printf, 1, 2))) std::string line(const char* format, ...) {
  char text[160];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return std::string(text) + "\n";
}

}  // namespace

std::string table_text(const SoakResult& result) {
  const MixedLoadCounts& load = result.load;
  std::string text;
  text += line("load            %.0f s; %ld requests finished, %ld given up, %ld failed",
               result.seconds, load.finished, load.cancelled, load.failed);
  text += line("tokens          %ld of prompts (%ld from the prefix cache), %ld of output",
               load.prompt_tokens, load.cached_tokens, load.output_tokens);
  text += line("memory          plan %.2f GiB; held %.2f at first, %.2f at most, %.2f at the end",
               gibibytes(result.memory_plan_bytes), gibibytes(result.held_at_start),
               gibibytes(result.held_most), gibibytes(result.held_at_end));
  text += line("steps           %.0f, %.0f preemptions", result.steps, result.preemptions);
  text += line("time/predicted  10 %% %.3f, median %.3f, 90 %% %.3f; %.1f %% within 15 %%",
               quantile(result.step_ratios, 0.1), quantile(result.step_ratios, 0.5),
               quantile(result.step_ratios, 0.9),
               100 * share_between(result.step_ratios, kRatioLow, kRatioHigh));
  text += line("left afterwards running %.0f, waiting %.0f, KV in use %.4f", result.running,
               result.waiting, result.kv_usage);
  if (load.failed > 0) text += "first failure   " + load.first_failure + "\n";
  return text;
}

std::string json_text(const std::string& model, const SoakResult& result) {
  const nlohmann::ordered_json json = {
      {"model", model},
      {"seconds", result.seconds},
      {"requests_finished", result.load.finished},
      {"requests_given_up", result.load.cancelled},
      {"requests_failed", result.load.failed},
      {"prompt_tokens", result.load.prompt_tokens},
      {"cached_prompt_tokens", result.load.cached_tokens},
      {"output_tokens", result.load.output_tokens},
      {"memory_plan_bytes", result.memory_plan_bytes},
      {"memory_held_most_bytes", result.held_most},
      {"memory_held_end_bytes", result.held_at_end},
      {"memory_held_fraction_of_plan",
       static_cast<double>(result.held_most) / static_cast<double>(result.memory_plan_bytes)},
      {"steps", result.steps},
      {"step_time_ratio_p10", quantile(result.step_ratios, 0.1)},
      {"step_time_ratio_median", quantile(result.step_ratios, 0.5)},
      {"step_time_ratio_p90", quantile(result.step_ratios, 0.9)},
      {"steps_within_15_percent", share_between(result.step_ratios, kRatioLow, kRatioHigh)},
      {"running_after", result.running},
      {"waiting_after", result.waiting},
      {"kv_usage_after", result.kv_usage}};
  return json.dump();
}

}  // namespace tessera
