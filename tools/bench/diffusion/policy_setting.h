// A policy with its parameters, as the benchmark asks for it, and the lists that it goes through.
// Pure; any thread.
#pragma once

#include <google/protobuf/map.h>

#include <string>
#include <utility>
#include <vector>

#include "tessera/v1/generation.pb.h"

namespace tessera {

struct PolicySetting {
  std::string policy;  // empty = none
  std::vector<std::pair<std::string, std::string>> values{};
  bool published = false;  // the setting its authors (or the implementation they left) publish

  // "pab spatial_range=2"; "none".
  std::string text() const;
  void add_to(google::protobuf::Map<std::string, v1::PolicyParams>& policies) const;
};

// Published settings first, then a sweep around them.
std::vector<PolicySetting> picture_settings();
std::vector<PolicySetting> video_settings();
// For networks whose output nobody judges: one setting of each policy.
std::vector<PolicySetting> random_settings(bool video);

}  // namespace tessera
