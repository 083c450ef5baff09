#include "kernels/cpu/threads/usable_cpus.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

namespace tessera {
namespace {

constexpr int kMaxCpus = 4096;

int affinity_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The group of this process below the cgroup v2 mount; "" at the root or without cgroup v2.
std::string own_group() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("0::")) return line == "0::/" ? "" : line.substr(3);
  }
  return "";
}

}  // namespace

int parse_cpu_max(std::string_view text) {
  std::istringstream fields{std::string(text)};
  int64_t quota = 0, period = 0;
  if (!(fields >> quota >> period) || quota <= 0 || period <= 0) return 0;
  const int64_t cpus = quota / period + (quota % period != 0);
  return static_cast<int>(std::min<int64_t>(cpus, kMaxCpus));
}

int usable_cpus() {
  int cpus = affinity_cpus();
  std::string group = own_group();
  while (true) {
    const int granted = parse_cpu_max(first_line("/sys/fs/cgroup" + group + "/cpu.max"));
    if (granted > 0) cpus = std::min(cpus, granted);
    if (group.empty()) return cpus;
    group.erase(group.rfind('/'));
  }
}

}  // namespace tessera
