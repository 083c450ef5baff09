#include "kernels/cpu/execution.h"

#include <algorithm>
#include <bit>
#include <new>

#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr size_t kSmallest = 64 * 1024;

struct Release {
  void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
};

}  // namespace

struct alignas(64) Execution::Buffer {
  std::unique_ptr<std::byte, Release> memory;
  size_t bytes = 0;
};

Execution::Execution(ComputePool& pool, IsaLevel isa) : pool_(pool), isa_(isa) {
  CHECK(isa <= detect_isa());
  buffers_.resize(static_cast<size_t>(pool.threads()));
}

Execution::~Execution() = default;

std::span<std::byte> Execution::scratch(int thread, size_t bytes) {
  Buffer& buffer = buffers_[static_cast<size_t>(thread)];
  if (buffer.bytes < bytes) {
    const size_t grown = std::bit_ceil(std::max(bytes, kSmallest));
    buffer.memory.reset();
    buffer.memory.reset(static_cast<std::byte*>(::operator new(grown, kAlignment)));
    buffer.bytes = grown;
  }
  return {buffer.memory.get(), bytes};
}

}  // namespace tessera
