#include <cstring>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress kv_commit(Execution&, const KvCommit& a) {
  const PageIndex index(a.k_pages);
  const int64_t size = static_cast<int64_t>(size_of(a.k_pages.dtype));
  const auto move = [size](const Tensor& pages, int64_t from, int64_t to) {
    std::memcpy(pages.as<char>() + to * size, pages.as<char>() + from * size,
                static_cast<size_t>(size));
  };
  for (int n = 0; n < a.tree_count; ++n) {
    const VerifyTree& tree = a.trees.as<VerifyTree>()[n];
    const int32_t* node_slots = a.node_slots.as<int32_t>() + tree.node_begin;
    const int32_t* path = a.accepted.row<int32_t>(n);
    for (int32_t depth = 1; depth <= path[0]; ++depth) {
      const int32_t from = node_slots[path[depth]], to = node_slots[depth];
      if (from == to || from < 0 || to < 0) continue;
      for (int64_t h = 0; h < index.Hkv; ++h) {
        for (int64_t d = 0; d < index.Dh; ++d) {
          move(a.k_pages, index.k(from, h, d), index.k(to, h, d));
          move(a.v_pages, index.v(from, h, d), index.v(to, h, d));
        }
      }
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
