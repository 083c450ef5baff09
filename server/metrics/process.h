// Two facts about this process, from /proc. Any thread.
#pragma once

#include <cstdint>

namespace tessera {

int64_t process_resident_bytes();  // 0 where /proc does not say
double process_start_seconds();  // since 1970; the time of the first call where /proc does not say

}  // namespace tessera
