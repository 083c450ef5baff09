#include "tools/bench/soak/process_memory.h"

#include <cstdio>
#include <fstream>
#include <string>

namespace tessera {

int64_t held_memory_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  long sum = 0;
  for (std::string line; std::getline(status, line);) {
    long kibibytes = 0;
    if (std::sscanf(line.c_str(), "RssAnon: %ld kB", &kibibytes) == 1 ||
        std::sscanf(line.c_str(), "RssShmem: %ld kB", &kibibytes) == 1) {
      sum += kibibytes;
    }
  }
  return int64_t{sum} * 1024;
}

}  // namespace tessera
