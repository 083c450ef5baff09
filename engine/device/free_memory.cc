#include "engine/device/free_memory.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

namespace tessera {
namespace {

uint64_t read_number(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : otherwise;
}

}  // namespace

uint64_t available_memory_bytes() {
  uint64_t available = ~uint64_t{0};
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    uint64_t kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lu kB", &kibibytes) == 1) {
      available = kibibytes * 1024;
    }
  }
  const uint64_t limit = read_number("/sys/fs/cgroup/memory.max", ~uint64_t{0});
  const uint64_t used = read_number("/sys/fs/cgroup/memory.current", 0);
  if (limit != ~uint64_t{0}) available = std::min(available, limit > used ? limit - used : 0);
  return available;
}

}  // namespace tessera
