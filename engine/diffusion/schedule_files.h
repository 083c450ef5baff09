// The update schedules that lie with a checkpoint. Read once, when its engine is created.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "engine/branch/update_schedule.h"

namespace tessera {

// `folder`/schedules/NAME.json by NAME; none where there is no such folder. INVALID_ARGUMENT names
// the file, and the field in it. What a schedule was made for is checked when a request names it.
absl::StatusOr<std::map<std::string, UpdateSchedule>> read_schedule_files(
    const std::string& folder);

// A line for each schedule that was made for another checkpoint than this one, which every request
// that names it is refused; begins with a line break.
std::string tell_strangers(const std::map<std::string, UpdateSchedule>& schedules,
                           const std::string& checkpoint);

}  // namespace tessera
