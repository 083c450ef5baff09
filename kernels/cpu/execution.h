// What a running command may use on the CPU: the compute threads, the instruction-set level and
// scratch memory. Owned beside the lane it belongs to; used by that lane's thread, and `scratch` by
// the compute threads, each with its own index.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/threads/compute_pool.h"

namespace tessera {

class Execution {
 public:
  // REQUIRES: `pool` outlives this; `isa` is one that the machine has.
  Execution(ComputePool& pool, IsaLevel isa);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  ComputePool& pool() { return pool_; }
  IsaLevel isa() const { return isa_; }

  // `bytes` of memory, 64-byte aligned, that belong to `thread` until it asks again; what stood
  // there is lost when it must grow. Grows by doubling, so a steady state allocates nothing.
  std::span<std::byte> scratch(int thread, size_t bytes);

 private:
  struct Buffer;  // one per thread, on cache lines of its own

  ComputePool& pool_;
  IsaLevel isa_;
  std::vector<Buffer> buffers_;
};

}  // namespace tessera
