#include "server/metrics/process.h"

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <limits>
#include <string>

namespace tessera {

int64_t process_resident_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t size_pages = 0, resident_pages = 0;
  if (!(in >> size_pages >> resident_pages)) return 0;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

double process_start_seconds() {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  double up = 0;
  // The second field is the program's name in brackets, which may hold spaces; start time is
  // field 22.
  stat.ignore(std::numeric_limits<std::streamsize>::max(), ')');
  std::string skipped;
  for (int field = 3; field < 22; ++field) stat >> skipped;
  double start_ticks = 0;
  if (!(stat >> start_ticks) || !(uptime >> up)) return now;
  return now - up + start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace tessera
