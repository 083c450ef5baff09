#include "tools/bench/diffusion/policy_setting.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

// true and 5 and 0.5 are what they look like, the rest is text.
v1::PolicyValue value_of(const std::string& text) {
  v1::PolicyValue value;
  int64_t integer = 0;
  double number = 0;
  if (text == "true" || text == "false") {
    value.set_flag(text == "true");
  } else if (absl::SimpleAtoi(text, &integer)) {
    value.set_integer(integer);
  } else if (absl::SimpleAtod(text, &number)) {
    value.set_number(number);
  } else {
    value.set_text(text);
  }
  return value;
}

void add_sweep(std::vector<PolicySetting>& list, const std::string& policy,
               const std::vector<Values>& sweep) {
  for (const Values& values : sweep) list.push_back({policy, values});
}

// What does not depend on the kinds of attention.
void add_common(std::vector<PolicySetting>& list) {
  list.push_back({"delta_cache", {{"interval", "2"}}, true});
  list.push_back({"first_block_cache", {{"threshold", "0.05"}}, true});
  list.push_back({"uniform_reuse", {{"interval", "3"}}, true});
  list.push_back({"adaptive_guidance", {{"threshold", "0.991"}}, true});
}

void add_common_sweep(std::vector<PolicySetting>& list, int64_t half, int64_t most) {
  add_sweep(list, "delta_cache",
            {{{"interval", "2"}, {"cached_blocks", absl::StrCat(half)}},
             {{"interval", "3"}, {"cached_blocks", absl::StrCat(half)}},
             {{"interval", "3"}, {"cached_blocks", absl::StrCat(most)}},
             {{"interval", "4"}, {"cached_blocks", absl::StrCat(most)}}});
  add_sweep(list, "first_block_cache",
            {{{"threshold", "0.02"}},
             {{"threshold", "0.08"}},
             {{"threshold", "0.12"}},
             {{"threshold", "0.2"}}});
  add_sweep(list, "uniform_reuse",
            {{{"interval", "2"}},
             {{"interval", "4"}},
             {{"interval", "2"}, {"mlp", "1"}},
             {{"interval", "4"}, {"mlp", "2"}}});
  add_sweep(list, "adaptive_guidance",
            {{{"threshold", "0.95"}}, {{"threshold", "0.98"}}, {{"threshold", "0.998"}}});
}

// PAB's table of MLPs as VideoSys has it for Latte.
const Values kLatteMlps = {{"mlp_timesteps", "720,640,560,480,400"}, {"mlp_skip", "2"}};

Values pyramid(const char* spatial, const char* temporal, const char* cross) {
  return {{"spatial_range", spatial}, {"temporal_range", temporal}, {"cross_range", cross}};
}

Values joined(Values first, const Values& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

std::string PolicySetting::text() const {
  std::string text = policy.empty() ? "none" : policy;
  for (const auto& [key, value] : values) absl::StrAppend(&text, " ", key, "=", value);
  return text;
}

void PolicySetting::add_to(google::protobuf::Map<std::string, v1::PolicyParams>& policies) const {
  if (policy.empty()) return;
  auto& params = *policies[policy].mutable_values();
  for (const auto& [key, value] : values) params[key] = value_of(value);
}

std::vector<PolicySetting> picture_settings() {
  std::vector<PolicySetting> list = {{"pab", {{"spatial_range", "2"}}, true}};
  add_common(list);
  add_sweep(list, "pab",
            {{{"spatial_range", "3"}},
             {{"spatial_range", "4"}},
             {{"spatial_range", "3"}, {"spatial_low", "20.0"}, {"spatial_high", "900.0"}}});
  add_common_sweep(list, 4, 6);
  return list;
}

std::vector<PolicySetting> video_settings() {
  std::vector<PolicySetting> list = {{"pab", pyramid("2", "3", "6"), true},
                                     {"pab", joined(pyramid("2", "3", "6"), kLatteMlps), true}};
  add_common(list);
  add_sweep(list, "pab",
            {pyramid("2", "4", "6"), pyramid("3", "4", "7"), pyramid("4", "6", "9"),
             joined(pyramid("3", "4", "7"), kLatteMlps)});
  add_common_sweep(list, 2, 3);
  return list;
}

std::vector<PolicySetting> random_settings(bool video) {
  std::vector<PolicySetting> list;
  if (video) {
    list.push_back({"pab", pyramid("2", "3", "6"), true});
  } else {
    list.push_back({"pab", {{"spatial_range", "2"}}, true});
  }
  add_common(list);
  return list;
}

}  // namespace tessera
