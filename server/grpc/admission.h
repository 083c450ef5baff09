// The threads that check and tokenise incoming requests, so that a long prompt holds up neither the
// network threads nor the engine's. Work is taken in order; the queue is bounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

class Admission {
 public:
  Admission(int threads, size_t queue_max);
  ~Admission();  // runs what is queued first
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // False when the queue is full; `work` is then not taken. Any thread.
  bool submit(std::function<void()>&& work);

 private:
  void run();

  size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
