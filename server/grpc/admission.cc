#include "server/grpc/admission.h"

#include <utility>

namespace tessera {

Admission::Admission(int threads, size_t queue_max) : queue_max_(queue_max) {
  for (int thread = 0; thread < threads; ++thread) threads_.emplace_back([this] { run(); });
}

Admission::~Admission() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Admission::submit(std::function<void()>&& work) {
  {
    std::lock_guard lock(mutex_);
    if (ending_ || queue_.size() >= queue_max_) return false;
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

void Admission::run() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace tessera
