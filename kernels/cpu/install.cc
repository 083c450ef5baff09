#include "kernels/cpu/install.h"

#include <array>
#include <mutex>

#include "kernels/core/check.h"
#include "kernels/cpu/amx/install.h"
#include "kernels/cpu/avx512_bf16/install.h"
#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/simd/chosen_target.h"
#include "kernels/cpu/simd/install.h"

namespace tessera {
namespace {

void install_portable(OpTable& table) {
  table.pack_weight = portable::pack_weight;
  table.gather_rows = portable::gather_rows;
  table.scatter_rows = portable::scatter_rows;
  table.embed = portable::embed;
  table.kv_commit = portable::kv_commit;
  table.kv_page_copy = portable::kv_page_copy;
  table.state_commit = portable::state_commit;
  table.all_reduce = portable::all_reduce;
  table.all_gather = portable::all_gather;
}

OpTable build(IsaLevel level) {
  OpTable table = reference_ops();
  table.backend = "cpu";
  install_portable(table);
  if (level == IsaLevel::kScalar) return table;
  const ChosenTarget chosen(level);
  install_linear(table);
  install_activate(table);
  install_attention(table);
  install_conv(table);
  install_gated_rows(table);
  install_latents(table);
  install_norm(table);
  install_probe(table);
  install_recurrence(table);
  install_rope(table);
  install_sample(table);
  if (level >= IsaLevel::kAvx512Bf16) install_avx512_bf16(table);
  if (level == IsaLevel::kAmx) install_amx(table);
  return table;
}

}  // namespace

const OpTable& cpu_ops(IsaLevel level) {
  static std::mutex mutex;
  static std::array<OpTable, kIsaLevels.size()> tables;
  CHECK(level <= detect_isa());
  std::lock_guard lock(mutex);
  OpTable& table = tables[static_cast<size_t>(level)];
  if (table.linear == nullptr) table = build(level);
  return table;
}

}  // namespace tessera
