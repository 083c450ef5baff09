#include "tools/bench/diffusion/report.h"

#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using nlohmann::ordered_json;

// Four significant digits are more than a measurement has.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}

ordered_json settings_json(const PolicySetting& setting) {
  ordered_json settings = ordered_json::object();
  for (const auto& [key, value] : setting.values) settings[key] = value;
  return settings;
}

ordered_json reused_json(const Reuse& reuse) {
  ordered_json reused = ordered_json::object();
  for (const auto& [kind, fraction] : reuse.by_kind) {
    reused[site_kind_name(kind)] = rounded(fraction);
  }
  return reused;
}

ordered_json quality_json(const QualityMeans& quality) {
  return {{"psnr_db", rounded(quality.psnr_db())},
          {"ssim", rounded(quality.ssim())},
          {"pooled_psnr_db", rounded(quality.pooled_psnr_db())},
          {"worst_psnr_db", rounded(quality.worst_psnr_db())}};
}

ordered_json speed_json(const std::string& model, int steps, const PolicySetting& setting,
                        double speedup, const Reuse& reuse) {
  return {{"model", model},
          {"steps", steps},
          {"policy", setting.policy},
          {"settings", settings_json(setting)},
          {"published", setting.published},
          {"speedup", rounded(speedup)},
          {"predicted_speedup", rounded(reuse.predicted_speedup)},
          {"fraction_of_predicted", rounded(speedup / reuse.predicted_speedup)},
          {"reused", reused_json(reuse)},
          {"unguided_steps", rounded(reuse.unguided)}};
}

void add_setting(ordered_json& list, const PictureSectionResult& section,
                 const SettingResult& result, bool fastest) {
  ordered_json one =
      speed_json(section.model, section.steps, result.setting, result.speedup, result.reuse);
  one["wall_speedup"] = rounded(result.wall_speedup);
  one["baseline_seconds"] = rounded(result.baseline_seconds);
  one["seconds"] = rounded(result.seconds);
  one.update(quality_json(result.quality));
  one["within_quality"] = result.within_quality();
  one["fastest_within_quality"] = fastest;
  ordered_json fewer = {{"steps", result.fewer.steps}, {"speedup", rounded(result.fewer.speedup)}};
  fewer.update(quality_json(result.fewer.quality));
  one["fewer_steps"] = fewer;
  list.push_back(one);
}

void add_pictures(ordered_json& json, const PictureSectionResult& section) {
  const std::optional<size_t> fastest = section.fastest();
  for (size_t index = 0; index < section.settings.size(); ++index) {
    add_setting(json["policies"], section, section.settings[index], fastest == index);
  }
  ordered_json sweep = ordered_json::array();
  for (const SettingResult& result : section.screened) {
    sweep.push_back({{"setting", result.setting.text()},
                     {"speedup", rounded(result.speedup)},
                     {"psnr_db", rounded(result.quality.psnr_db())},
                     {"ssim", rounded(result.quality.ssim())}});
  }
  json["sections"][absl::StrCat(section.model, ", ", section.steps, " steps")] = {
      {"steps", section.steps},
      {"guidance", section.guidance},
      {"seeds", section.seeds},
      {"samples_per_request", section.samples},
      {"shares_from", section.shares_source},
      {"sweep", sweep}};
}

ordered_json success_json(const PairedSuccess& success) {
  return {{"baseline_success", rounded(success.baseline_rate())},
          {"success", rounded(success.other_rate())},
          {"success_drop", rounded(success.drop_high())},
          {"success_drop_mean", rounded(success.drop())},
          {"lost", success.lost()},
          {"gained", success.gained()}};
}

ordered_json arm_json(const ActionArm& arm) {
  ordered_json within = ordered_json::object();
  for (const auto& [steps, success] : arm.success_within) {
    within[std::to_string(steps)] = success_json(success);
  }
  ordered_json json = {{"policy", arm.setting.policy.empty() ? "none" : arm.setting.policy},
                       {"settings", settings_json(arm.setting)},
                       {"steps", arm.steps},
                       {"flops_ratio", rounded(arm.operations_ratio)},
                       {"time_ratio", rounded(arm.wall_ratio)},
                       {"denoise_time_ratio", rounded(arm.time_ratio)},
                       {"predicted_speedup", rounded(arm.predicted_speedup)},
                       {"action_seconds", rounded(arm.wall_seconds)}};
  json.update(success_json(arm.success));
  json["within_steps"] = std::move(within);
  return json;
}

void add_actions(ordered_json& json, const ActionSectionResult& section) {
  ordered_json arms = ordered_json::array();
  for (const ActionArm& arm : section.arms) arms.push_back(arm_json(arm));
  if (const ActionArm* const bac = section.bac(); bac != nullptr) {
    json["bac_flops_ratio"] = rounded(bac->operations_ratio);
    json["bac_time_ratio"] = rounded(bac->wall_ratio);
    json["bac_baseline_success"] = rounded(bac->success.baseline_rate());
    json["bac_success"] = rounded(bac->success.other_rate());
    json["bac_success_drop"] = rounded(bac->success.drop_high());
  }
  json["sections"][section.model] = {
      {"steps", section.steps},
      {"episodes", section.episodes},
      {"baseline_action_seconds", rounded(section.baseline_wall_seconds)},
      {"shares_from", section.shares_source},
      {"arms", arms}};
}

ordered_json gain_json(const BatchGain& gain) {
  return {{"jobs", gain.jobs},
          {"gain", rounded(gain.gain)},
          {"one_by_one_seconds", rounded(gain.one_by_one_seconds)},
          {"at_once_seconds", rounded(gain.at_once_seconds)}};
}

void add_batching(ordered_json& json, const DiffusionReport& report) {
  if (report.policy_batch.has_value()) {
    json["policy_batch_gain"] = rounded(report.policy_batch->gain);
    json["sections"]["policy_batch"] = gain_json(*report.policy_batch);
  }
  if (report.image_batch.has_value()) {
    json["image_batch_gain"] = rounded(report.image_batch->gain);
    json["sections"]["image_batch"] = gain_json(*report.image_batch);
  }
  if (!report.late_arrival.has_value()) return;
  const LateArrival& late = *report.late_arrival;
  json["late_arrival_start_steps"] = rounded(late.steps_before_start);
  json["late_arrival_start_steps_most"] = late.steps_before_start_most;
  json["late_arrival_slowdown"] = rounded(late.slowdown);
  json["sections"]["late_arrival"] = {{"long_steps", late.long_steps},
                                      {"short_steps", late.short_steps},
                                      {"queue_in_steps", rounded(late.queue_in_steps)},
                                      {"solo_seconds", rounded(late.solo_seconds)},
                                      {"seconds", rounded(late.seconds)}};
}

void add_random(ordered_json& json, const RandomSectionResult& section) {
  for (const SpeedResult& result : section.settings) {
    ordered_json one =
        speed_json(section.shape, section.steps, result.setting, result.speedup, result.reuse);
    one["baseline_seconds"] = rounded(result.baseline_seconds);
    one["seconds"] = rounded(result.seconds);
    json["policies"].push_back(one);
  }
  json["sections"][section.shape] = {{"size", section.size},
                                     {"layers", section.layers},
                                     {"steps", section.steps},
                                     {"shares_from", section.shares_source}};
}

std::string speed_row(const PolicySetting& setting, double speedup, const Reuse& reuse) {
  return absl::StrFormat("  %-58s %6.2f %6.2f %6.2f", setting.text(), speedup,
                         reuse.predicted_speedup, speedup / reuse.predicted_speedup);
}

std::string pictures_table(const PictureSectionResult& section) {
  std::string text = absl::StrFormat(
      "%s: %d steps, guidance %g, %d seeds, %d at a time, shares by %s\n"
      "  %-58s %6s %6s %6s %7s %7s  same time, no cache: steps, dB, SSIM\n",
      section.model, section.steps, section.guidance, section.seeds, section.samples,
      section.shares_source, "setting (* published, ! fastest within 30 dB and 0.93)", "faster",
      "should", "share", "dB", "SSIM");
  const std::optional<size_t> fastest = section.fastest();
  for (size_t index = 0; index < section.settings.size(); ++index) {
    const SettingResult& result = section.settings[index];
    absl::StrAppend(&text, speed_row(result.setting, result.speedup, result.reuse),
                    absl::StrFormat(" %7.2f %7.4f %s%s %d, %.2f, %.4f\n", result.quality.psnr_db(),
                                    result.quality.ssim(), result.setting.published ? "*" : " ",
                                    fastest == index ? "!" : " ", result.fewer.steps,
                                    result.fewer.quality.psnr_db(), result.fewer.quality.ssim()));
  }
  return text;
}

std::string actions_table(const ActionSectionResult& section) {
  std::string text = absl::StrFormat(
      "%s: %d steps, %d episodes, %.2f ms an action without cache, success %.3f\n"
      "  %-40s %6s %6s %6s %6s %7s %s\n",
      section.model, section.steps, section.episodes, 1e3 * section.baseline_wall_seconds,
      section.arms.front().success.baseline_rate(), "arm", "steps", "FLOPs/", "time/", "should",
      "success", "drop: mean, upper end of 95 %");
  for (const ActionArm& arm : section.arms) {
    absl::StrAppendFormat(&text, "  %-40s %6d %6.2f %6.2f %6.2f %7.3f %.4f, %.4f\n",
                          arm.setting.text(), arm.steps, arm.operations_ratio, arm.wall_ratio,
                          arm.predicted_speedup, arm.success.other_rate(), arm.success.drop(),
                          arm.success.drop_high());
  }
  return text;
}

std::string batching_table(const DiffusionReport& report) {
  std::string text;
  const auto add = [&](const char* what, const std::optional<BatchGain>& gain) {
    if (!gain.has_value()) return;
    absl::StrAppendFormat(
        &text, "%d %s at once: %.2f times one after another (%.3f s for %.3f s)\n", gain->jobs,
        what, gain->gain, gain->at_once_seconds, gain->one_by_one_seconds);
  };
  add("policy jobs", report.policy_batch);
  add("image jobs", report.image_batch);
  if (report.late_arrival.has_value()) {
    const LateArrival& late = *report.late_arrival;
    absl::StrAppendFormat(&text,
                          "a %d-step job during a %d-step job: starts after %g of its steps (%d at "
                          "most, %.2f steps in the queue), takes %.2f of its time alone\n",
                          late.short_steps, late.long_steps, late.steps_before_start,
                          late.steps_before_start_most, late.queue_in_steps, late.slowdown);
  }
  return text;
}

std::string random_table(const RandomSectionResult& section) {
  std::string text =
      absl::StrFormat("random %s: %d layers, %d steps, %s, shares by %s\n", section.shape,
                      section.layers, section.steps, section.size, section.shares_source);
  for (const SpeedResult& result : section.settings) {
    absl::StrAppend(
        &text, speed_row(result.setting, result.speedup, result.reuse),
        absl::StrFormat("  %.2f s for %.2f s\n", result.seconds, result.baseline_seconds));
  }
  return text;
}

}  // namespace

std::string table_text(const DiffusionReport& report) {
  std::string text;
  for (const PictureSectionResult& section : report.pictures) text += pictures_table(section);
  if (report.actions.has_value()) text += actions_table(*report.actions);
  text += batching_table(report);
  for (const RandomSectionResult& section : report.random) text += random_table(section);
  return text;
}

std::string json_text(const DiffusionReport& report) {
  ordered_json json = {{"policies", ordered_json::array()}};
  for (const PictureSectionResult& section : report.pictures) add_pictures(json, section);
  for (const RandomSectionResult& section : report.random) add_random(json, section);
  if (report.actions.has_value()) add_actions(json, *report.actions);
  add_batching(json, report);
  // What was measured beside the figures that are asked for comes last.
  ordered_json sections = json["sections"];
  json.erase("sections");
  json["sections"] = sections;
  return json.dump();
}

}  // namespace tessera
