#include "kernels/cpu/install.h"

#include <array>
#include <mutex>

#include "kernels/core/check.h"
#include "kernels/cpu/amx/install.h"
#include "kernels/cpu/simd/chosen_target.h"
#include "kernels/cpu/simd/install.h"

namespace tessera {
namespace {

OpTable build(IsaLevel level) {
  OpTable table = reference_ops();
  table.backend = "cpu";
  if (level == IsaLevel::kScalar) return table;
  const ChosenTarget chosen(level);
  install_linear(table);
  install_attention(table);
  if (level == IsaLevel::kAmx) install_amx(table);
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
