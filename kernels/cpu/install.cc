#include "kernels/cpu/install.h"

#include <array>
#include <mutex>

#include "hwy/targets.h"
#include "kernels/core/check.h"
#include "kernels/cpu/simd/install.h"

namespace tessera {
namespace {

// Highway's choice of target is one per process. It matters only while a table is filled, since
// what is stored are plain pointers to the chosen target's functions.
class ChosenTarget {
 public:
  explicit ChosenTarget(int64_t target) { choose(target); }
  ~ChosenTarget() { choose(0); }

 private:
  static void choose(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);  // 0: whatever the machine has
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

OpTable build(IsaLevel level) {
  OpTable table = reference_ops();
  table.backend = "cpu";
  if (level == IsaLevel::kScalar) return table;
  const ChosenTarget chosen(level == IsaLevel::kAvx2 ? HWY_AVX2 : HWY_AVX3);
  install_linear(table);
  install_attention(table);
  return table;
}

}  // namespace

const OpTable& cpu_ops(IsaLevel level) {
  static std::mutex mutex;
  static std::array<OpTable, 4> tables;
  CHECK(level <= detect_isa());
  std::lock_guard lock(mutex);
  OpTable& table = tables[static_cast<size_t>(level)];
  if (table.linear == nullptr) table = build(level);
  return table;
}

}  // namespace tessera
