// Device memory. A Region is one mapping with a purpose ("weights", "kv", "scratch"), filled by
// bump allocation at load and never in steady state. Owned by the engine that made it.
//
// In debug builds a region is unreadable (PROT_NONE) except while a lane executes, so that a
// host-side read of tensor memory faults at once instead of working by luck on the CPU.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/core/tensor.h"

namespace tessera {

class Region {
 public:
  static constexpr size_t kAlignment = 64;

  // Maps `bytes` (rounded up to pages) of zeroed memory, with transparent huge pages where
  // available.
  static absl::StatusOr<Region> create(std::string purpose, size_t bytes);
  // Addresses without memory, for the dry backend: allocations have distinct fake pointers.
  static Region dry(std::string purpose);
  Region(Region&&) noexcept;
  Region& operator=(Region&&) noexcept;  // the two change places
  ~Region();

  // REQUIRES: fits. Contiguous, 64-byte aligned.
  Tensor allocate(DType dtype, std::initializer_list<int64_t> shape);

  const std::string& purpose() const { return purpose_; }
  size_t bytes_used() const { return used_; }
  size_t bytes_total() const { return total_; }
  // Forgets every allocation (scratch regions, between steps).
  void reset() { used_ = 0; }

  // Called by lanes: opens every region of the process for access, and closes them again (counted,
  // debug builds only).
  static void open_all();
  static void close_all();

 private:
  Region() = default;
  std::string purpose_;
  std::byte* base_ = nullptr;
  size_t used_ = 0;
  size_t total_ = 0;
  bool dry_ = false;
};

}  // namespace tessera
