#include "kernels/core/stream.h"

#include <algorithm>
#include <cstring>

#include "kernels/core/check.h"
#include "kernels/core/float_mode.h"
#include "kernels/core/spin.h"

namespace tessera {

// Precedes each command in the ring; `run` is null where the rest of the ring is passed over
// because the next command did not fit before its end.
struct alignas(32) Stream::Record {
  Run run;
  uint64_t bytes;  // of the whole command, this included
};

namespace {

constexpr size_t kAlignment = 32;

size_t align_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The bytes to copy follow the arguments.
struct alignas(kAlignment) CopyIn {
  decltype(DeviceCopies::in) copy;
  void* target;
  size_t bytes;
};

struct CopyOut {
  decltype(DeviceCopies::out) copy;
  const void* source;
  std::byte* target;
  size_t bytes;
};

Progress run_copy_in(Execution& execution, const void* raw) {
  const auto* args = static_cast<const CopyIn*>(raw);
  args->copy(execution, args->target, reinterpret_cast<const std::byte*>(args + 1), args->bytes);
  return Progress::kDone;
}

Progress run_copy_out(Execution& execution, const CopyOut& args) {
  args.copy(execution, args.target, args.source, args.bytes);
  return Progress::kDone;
}

}  // namespace

Stream::Stream(const OpTable* ops, const DeviceCopies& copies, size_t ring_bytes)
    : ops_(ops), copies_(copies), ring_bytes_(align_up(ring_bytes)) {
  static_assert(sizeof(Record) == kAlignment);
  CHECK_GE(ring_bytes, kSmallestRing);
  storage_ = std::make_unique<std::byte[]>(ring_bytes_ + kAlignment);
  void* base = storage_.get();
  size_t space = ring_bytes_ + kAlignment;
  ring_ = static_cast<std::byte*>(std::align(kAlignment, ring_bytes_, base, space));
}

Stream::~Stream() {
  CHECK(idle());
  CHECK(doorbell_.load() == nullptr);
}

void Stream::append(Run run, const void* args, size_t args_bytes,
                    std::span<const std::byte> payload) {
  const size_t bytes = sizeof(Record) + align_up(args_bytes + payload.size());
  CHECK_LE(bytes, ring_bytes_ / 2);
  const size_t offset = head_ % ring_bytes_;
  const size_t passed_over = offset + bytes > ring_bytes_ ? ring_bytes_ - offset : 0;
  wait_for_room(passed_over + bytes);
  if (passed_over > 0) {
    new (ring_ + offset) Record{nullptr, passed_over};
    head_ += passed_over;
  }
  std::byte* place = ring_ + head_ % ring_bytes_;
  new (place) Record{run, bytes};
  std::memcpy(place + sizeof(Record), args, args_bytes);
  if (!payload.empty()) {
    std::memcpy(place + sizeof(Record) + args_bytes, payload.data(), payload.size());
  }
  head_ += bytes;
  published_.store(++appended_, std::memory_order_release);
  if (std::atomic<uint32_t>* doorbell = doorbell_.load(std::memory_order_acquire)) {
    doorbell->fetch_add(1);
    doorbell->notify_one();
  }
}

void Stream::wait_for_room(size_t bytes) const {
  const auto fits = [this, bytes] {
    return head_ + bytes - tail_.load(std::memory_order_acquire) <= ring_bytes_;
  };
  if (spin_until(fits)) return;
  while (true) {
    // Room appears only just before a retirement, so that is what a sleeper waits for.
    const uint64_t retired = retired_.load(std::memory_order_acquire);
    if (fits()) return;
    sleep_until_retired(retired + 1);
  }
}

// The lane stores what retired and then looks who waits; this side says what it waits for and then
// looks what retired. In one order of all four, one of the two sees the other.
void Stream::sleep_until_retired(uint64_t count) const {
  awaited_.store(count);
  for (uint64_t retired = retired_.load(); retired < count; retired = retired_.load()) {
    retired_.wait(retired);
  }
  awaited_.store(kNobodyWaits);
}

void Stream::upload(const Tensor& target, std::span<const std::byte> bytes) {
  CHECK_EQ(static_cast<size_t>(target.bytes()), bytes.size());
  CHECK(is_contiguous(target));
  const size_t most = ring_bytes_ / 4;
  auto* place = static_cast<std::byte*>(target.data);
  while (!bytes.empty()) {
    const std::span<const std::byte> part = bytes.first(std::min(most, bytes.size()));
    const CopyIn args{copies_.in, place, part.size()};
    append(run_copy_in, &args, sizeof(args), part);
    place += part.size();
    bytes = bytes.subspan(part.size());
  }
}

void Stream::download(const Tensor& source, std::span<std::byte> target) {
  CHECK_EQ(static_cast<size_t>(source.bytes()), target.size());
  CHECK(is_contiguous(source));
  if (target.empty()) return;
  submit(run_copy_out, CopyOut{copies_.out, source.data, target.data(), target.size()});
}

void Stream::stamp(std::chrono::steady_clock::time_point* out) {
  submit<std::chrono::steady_clock::time_point*>(
      [](Execution&, std::chrono::steady_clock::time_point* const& at) {
        *at = std::chrono::steady_clock::now();
        return Progress::kDone;
      },
      out);
}

void Stream::wait(Fence fence) const {
  CHECK_LE(fence, appended_);
  // A wake-up takes as long as a few commands: whoever is woken that much before the end is there
  // when it comes, and has left the processor to the compute threads until then.
  constexpr uint64_t kCommandsBefore = 4;
  if (fence > kCommandsBefore && !done(fence - kCommandsBefore)) {
    sleep_until_retired(fence - kCommandsBefore);
  }
  if (spin_until([this, fence] { return done(fence); })) return;
  sleep_until_retired(fence);
}

int Stream::run_some(Execution& execution, int limit) {
  const FlushSubnormals flush;
  int ran = 0;
  uint64_t retired = retired_.load(std::memory_order_relaxed);
  while (ran < limit && retired < published_.load(std::memory_order_acquire)) {
    const auto* record = reinterpret_cast<const Record*>(ring_ + tail_lane_ % ring_bytes_);
    if (record->run == nullptr) {
      tail_lane_ += record->bytes;
      record = reinterpret_cast<const Record*>(ring_ + tail_lane_ % ring_bytes_);
    }
    if (record->run(execution, record + 1) == Progress::kBlocked) break;
    tail_lane_ += record->bytes;
    tail_.store(tail_lane_, std::memory_order_release);
    retired_.store(++retired);
    if (retired >= awaited_.load()) retired_.notify_all();
    ++ran;
  }
  return ran;
}

bool Stream::idle() const {
  return retired_.load(std::memory_order_acquire) == published_.load(std::memory_order_acquire);
}

}  // namespace tessera
