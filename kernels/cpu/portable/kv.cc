#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/reference/elements.h"

namespace tessera::portable {
namespace {

// The elements of one token and head: `count` units of type Unit, `step` units apart.
template <class Unit>
struct Strided {
  Unit* at;
  int64_t step;
  int64_t count;
};

template <class Unit>
void copy(const Strided<Unit>& from, const Strided<Unit>& to) {
  for (int64_t index = 0; index < from.count; ++index) {
    to.at[index * to.step] = from.at[index * from.step];
  }
}

// In bf16 pages a K unit is a pair of neighbouring d, as in packed weights; all else is single
// elements.
template <class Unit>
Strided<Unit> key_of(const Tensor& pages, const PageIndex& index, int64_t slot, int64_t head) {
  const int64_t element = index.k(slot, head, 0) * static_cast<int64_t>(size_of(pages.dtype));
  return {reinterpret_cast<Unit*>(pages.as<char>() + element), kKvBlockTokens,
          index.paired ? index.Dh / 2 : index.Dh};
}

template <class Unit>
Strided<Unit> value_of(const Tensor& pages, const PageIndex& index, int64_t slot, int64_t head) {
  return {pages.as<Unit>() + index.v(slot, head, 0), index.paired ? 2 : 1, index.Dh};
}

template <class KeyUnit, class ValueUnit>
void commit_tree(const KvCommit& a, const PageIndex& index, int64_t n, int64_t head) {
  const VerifyTree& tree = a.trees.as<VerifyTree>()[n];
  const int32_t* node_slots = a.node_slots.as<int32_t>() + tree.node_begin;
  const int32_t* path = a.accepted.row<int32_t>(n);
  for (int32_t depth = 1; depth <= path[0]; ++depth) {
    const int32_t from = node_slots[path[depth]], to = node_slots[depth];
    if (from == to || from < 0 || to < 0) continue;
    copy(key_of<KeyUnit>(a.k_pages, index, from, head),
         key_of<KeyUnit>(a.k_pages, index, to, head));
    copy(value_of<ValueUnit>(a.v_pages, index, from, head),
         value_of<ValueUnit>(a.v_pages, index, to, head));
  }
}

template <class KeyUnit, class ValueUnit>
void copy_page(const KvPageCopy& a, const PageIndex& index, int64_t n, int64_t head) {
  const int64_t first_slot = int64_t{a.pages.as<int32_t>()[n]} * kKvBlockTokens;
  const auto canonical = [&](int64_t is_value, int64_t token) {
    return a.canonical.as<ValueUnit>() +
           (((n * 2 + is_value) * index.Hkv + head) * kKvBlockTokens + token) * index.Dh;
  };
  const auto move = [&](auto page, auto outside) {
    if (a.import) {
      copy(outside, page);
    } else {
      copy(page, outside);
    }
  };
  for (int64_t token = 0; token < kKvBlockTokens; ++token) {
    const auto key = key_of<KeyUnit>(a.k_pages, index, first_slot + token, head);
    move(key, Strided<KeyUnit>{reinterpret_cast<KeyUnit*>(canonical(0, token)), 1, key.count});
    const auto value = value_of<ValueUnit>(a.v_pages, index, first_slot + token, head);
    move(value, Strided<ValueUnit>{canonical(1, token), 1, value.count});
  }
}

// A pair of bf16 that moves as one.
struct alignas(4) Pair {
  Bf16 half[2];
};

}  // namespace

Progress kv_commit(Execution& execution, const KvCommit& a) {
  const PageIndex index(a.k_pages);
  execution.pool().parallel_for(a.tree_count * index.Hkv, [&](int64_t task, int) {
    const int64_t n = task / index.Hkv, head = task % index.Hkv;
    if (index.paired) {
      commit_tree<Pair, Bf16>(a, index, n, head);
    } else {
      commit_tree<float, float>(a, index, n, head);
    }
  });
  return Progress::kDone;
}

Progress kv_page_copy(Execution& execution, const KvPageCopy& a) {
  const PageIndex index(a.k_pages);
  execution.pool().parallel_for(a.pages.dim(0) * index.Hkv, [&](int64_t task, int) {
    const int64_t n = task / index.Hkv, head = task % index.Hkv;
    if (index.paired) {
      copy_page<Pair, Bf16>(a, index, n, head);
    } else {
      copy_page<float, float>(a, index, n, head);
    }
  });
  return Progress::kDone;
}

}  // namespace tessera::portable
