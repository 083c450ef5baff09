#include "kernels/core/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

#ifdef TESSERA_DEBUG
constexpr bool kGuarded = true;
#else
constexpr bool kGuarded = false;
#endif

constexpr size_t kHugePage = size_t{2} << 20;

struct Mapping {
  std::byte* base;
  size_t bytes;
};

// Every region of the process, so that lanes can open and close them all.
struct Registry {
  std::mutex mutex;
  std::vector<Mapping> mappings;
  int open = 0;  // lanes that execute now
};

Registry& registry() {
  static auto* const registry = new Registry;  // outlives regions in static storage
  return *registry;
}

void protect(const Mapping& mapping, int access) {
  CHECK_EQ(mprotect(mapping.base, mapping.bytes, access), 0);
}

size_t round_to_pages(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (std::max<size_t>(bytes, 1) + page - 1) / page * page;
}

}  // namespace

absl::StatusOr<Region> Region::create(std::string purpose, size_t bytes) {
  const size_t total = round_to_pages(bytes);
  // Whole huge pages need an aligned start, which mmap does not promise: map more and trim.
  const size_t slack = total >= kHugePage ? kHugePage : 0;
  void* raw = MAP_FAILED;
  if (total >= bytes && total + slack >= total) {
    raw = mmap(nullptr, total + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (raw == MAP_FAILED) {
    return absl::ResourceExhaustedError("cannot map " + std::to_string(bytes) + " bytes for " +
                                        purpose + ": " + std::strerror(errno));
  }
  auto* base = static_cast<std::byte*>(raw);
  if (slack > 0) {
    const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(base) % kHugePage) % kHugePage;
    if (before > 0) munmap(base, before);
    base += before;
    if (slack > before) munmap(base + total, slack - before);
    madvise(base, total, MADV_HUGEPAGE);  // advice: a kernel without huge pages still works
  }
  Region region;
  region.purpose_ = std::move(purpose);
  region.base_ = base;
  region.total_ = total;
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  all.mappings.push_back({base, total});
  if (kGuarded && all.open == 0) protect({base, total}, PROT_NONE);
  return region;
}

Region Region::dry(std::string purpose) {
  // Each dry region gets a range of its own, at addresses no x86 or Arm process can have.
  constexpr uintptr_t kFirst = uintptr_t{1} << 60;
  constexpr size_t kRange = size_t{1} << 46;
  static std::atomic<uintptr_t> next{0};
  Region region;
  region.purpose_ = std::move(purpose);
  region.base_ = reinterpret_cast<std::byte*>(kFirst + next.fetch_add(1) * kRange);
  region.total_ = kRange;
  region.dry_ = true;
  return region;
}

Region::Region(Region&& other) noexcept { *this = std::move(other); }

Region& Region::operator=(Region&& other) noexcept {
  std::swap(purpose_, other.purpose_);
  std::swap(base_, other.base_);
  std::swap(used_, other.used_);
  std::swap(total_, other.total_);
  std::swap(dry_, other.dry_);
  return *this;
}

Region::~Region() {
  if (base_ == nullptr || dry_) return;
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  std::erase_if(all.mappings, [this](const Mapping& mapping) { return mapping.base == base_; });
  munmap(base_, total_);
}

Tensor Region::allocate(DType dtype, std::initializer_list<int64_t> shape) {
  Tensor tensor = make_tensor(base_ + used_, dtype, shape);
  const size_t bytes = static_cast<size_t>(tensor.bytes());
  CHECK_LE(bytes, total_ - used_);
  used_ = std::min(total_, (used_ + bytes + kAlignment - 1) / kAlignment * kAlignment);
  return tensor;
}

void Region::open_all() {
  if (!kGuarded) return;
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  if (all.open++ > 0) return;
  for (const Mapping& mapping : all.mappings) protect(mapping, PROT_READ | PROT_WRITE);
}

void Region::close_all() {
  if (!kGuarded) return;
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  CHECK_GT(all.open, 0);
  if (--all.open > 0) return;
  for (const Mapping& mapping : all.mappings) protect(mapping, PROT_NONE);
}

}  // namespace tessera
