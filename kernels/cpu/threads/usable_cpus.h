// How many CPUs this process may really use. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// The smaller of the affinity mask and the tightest cgroup v2 `cpu.max` from the process's group up
// to the root, rounded up; at least 1.
int usable_cpus();

// CPUs that a `cpu.max` file grants ("200000 100000" is 2), rounded up; 0 = no limit or not
// readable as one.
int parse_cpu_max(std::string_view text);

}  // namespace tessera
