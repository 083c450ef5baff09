// A Stream is a ring of commands for one device, written by one thread (the engine's) and run in
// order by the lane that serves it. An op call appends its plain-data arguments and returns at
// once; nothing is computed on the caller's thread. Results reach the host only through `download`
// and a fence.
//
// A command may answer kBlocked (a collective whose peers have not arrived): the lane then turns to
// another stream and comes back; the command is called again with the same arguments.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "kernels/core/tensor.h"

namespace tessera {

struct OpTable;   // kernels/ops/table.h
class Execution;  // what a running command may use (compute pool, scratch); defined by each backend
enum class Progress : uint8_t { kDone, kBlocked };
using Fence = uint64_t;  // number of commands that must have retired

// How a backend moves bytes between the host and its memory; a field of its OpTable.
struct DeviceCopies {
  void (*in)(Execution&, void* device, const std::byte* host, size_t bytes) = nullptr;
  void (*out)(Execution&, std::byte* host, const void* device, size_t bytes) = nullptr;
};

class Stream {
 public:
  using Run = Progress (*)(Execution&, const void* args);

  // `ring_bytes` (at least kSmallestRing) bounds what may be outstanding; a submit into a full ring
  // waits for the lane. The template only defers the look into OpTable to the caller.
  template <class Table = OpTable>
  Stream(const Table& ops, size_t ring_bytes) : Stream(&ops, ops.copies, ring_bytes) {}
  ~Stream();  // REQUIRES: idle and detached
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static constexpr size_t kSmallestRing = 4096;

  const OpTable& ops() const { return *ops_; }

  // Owner thread. `Args` is copied; it must be plain data.
  template <class Args>
  void submit(Progress (*run)(Execution&, const Args&), const Args& args) {
    static_assert(std::is_trivially_copyable_v<Args>);
    // The lane calls through the erased type; the lambda restores it.
    struct Bound {
      Progress (*run)(Execution&, const Args&);
      Args args;
    };
    const Bound bound{run, args};
    append(
        [](Execution& execution, const void* raw) {
          const auto& bound = *static_cast<const Bound*>(raw);
          return bound.run(execution, bound.args);
        },
        &bound, sizeof(bound), {});
  }

  // Copies `bytes` into the ring now and into `target` (contiguous) when the lane gets there. Large
  // uploads travel in several commands, and wait for the lane as a full ring does.
  void upload(const Tensor& target, std::span<const std::byte> bytes);
  template <class T>
  void upload(const Tensor& target, std::span<const T> values) {
    upload(target, std::as_bytes(values));
  }
  // Copies `source` (contiguous) to host memory when the lane gets there. `target` must stay valid
  // and unread until a fence recorded afterwards is done.
  void download(const Tensor& source, std::span<std::byte> target);

  // Writes the time to host memory when the lane gets there; `out` as the target of a download.
  void stamp(std::chrono::steady_clock::time_point* out);

  // A point in the stream; done when every command appended before it has retired.
  Fence record() const { return appended_; }
  bool done(Fence fence) const { return retired_.load(std::memory_order_acquire) >= fence; }
  void wait(Fence fence) const;  // owner thread

  // Lane only. Runs commands until the ring is empty, a command blocks, or `limit` commands ran.
  // Returns how many retired.
  int run_some(Execution& execution, int limit);
  // True when every command appended so far has retired. Any thread; exact on the owner's.
  bool idle() const;

 private:
  friend class Lane;
  struct Record;

  static constexpr uint64_t kNobodyWaits = ~uint64_t{0};

  Stream(const OpTable* ops, const DeviceCopies& copies, size_t ring_bytes);
  void append(Run run, const void* args, size_t args_bytes, std::span<const std::byte> payload);
  void wait_for_room(size_t bytes) const;
  // Owner thread: returns once that many commands have retired. The lane wakes it then, not before.
  void sleep_until_retired(uint64_t count) const;

  const OpTable* ops_;
  DeviceCopies copies_;
  size_t ring_bytes_;
  std::unique_ptr<std::byte[]> storage_;
  std::byte* ring_;                                 // storage_, aligned
  uint64_t appended_ = 0;                           // commands, owner thread
  uint64_t head_ = 0;                               // bytes written, owner thread
  uint64_t tail_lane_ = 0;                          // bytes retired, lane
  alignas(64) std::atomic<uint64_t> published_{0};  // commands visible to the lane
  alignas(64) std::atomic<uint64_t> tail_{0};       // tail_lane_ as the owner may see it
  mutable std::atomic<uint64_t> retired_{0};
  mutable std::atomic<uint64_t> awaited_{kNobodyWaits};    // what the sleeping owner waits for
  std::atomic<std::atomic<uint32_t>*> doorbell_{nullptr};  // of the lane that serves this stream
};

}  // namespace tessera
