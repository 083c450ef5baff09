// Which steps compute each residual branch, found by calibration and kept in a file with the
// checkpoint. The file is JSON:
//
//   {"format": "tessera update schedule", "version": 1, "checkpoint": "<fingerprint>",
//    "solver": "<name>", "timesteps": [990, ...], "made_by": "<how, for the record>",
//    "units": {"0.self": [0, 5, ...], "0.mlp": [...], ...}}
//
// A unit is a site of the network by name (site_names); its steps are indices, ascending, from 0.
// Read when a model is loaded; read-only afterwards, any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

struct CacheSite;

struct UpdateSchedule {
  std::string checkpoint;
  std::string solver;
  std::vector<float> timesteps;  // [S]
  std::string made_by;
  std::map<std::string, std::vector<int>> units;
};

// At most 4 MiB. INVALID_ARGUMENT names the file and the field, UNIMPLEMENTED another version.
absl::StatusOr<UpdateSchedule> parse_update_schedule(std::string_view file, std::string_view text);
std::string print_update_schedule(const UpdateSchedule& schedule);

// "<block>.<kind>" of each site, with ".context" in the context stream and ".2" where a block has a
// second one of the kind.
std::vector<std::string> site_names(const std::vector<CacheSite>& sites);

}  // namespace tessera
