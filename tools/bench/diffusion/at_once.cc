#include "tools/bench/diffusion/at_once.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

absl::Status run_at_once(int count, int threads, const std::function<absl::Status(int)>& task) {
  std::mutex mutex;
  int next = 0;
  absl::Status first_error;
  const auto work = [&] {
    while (true) {
      int mine = 0;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (next == count || !first_error.ok()) return;
        mine = next++;
      }
      const absl::Status status = task(mine);
      const std::lock_guard<std::mutex> lock(mutex);
      first_error.Update(status);
    }
  };
  std::vector<std::thread> workers;
  for (int thread = 0; thread < std::min(threads, count); ++thread) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  return first_error;
}

}  // namespace tessera
