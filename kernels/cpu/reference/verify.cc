#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

// The first child of `node` that carries `token`; -1 if there is none, or no token was drawn.
int32_t child_with(const int32_t* parents, const int32_t* node_tokens, const VerifyTree& tree,
                   int32_t node, int32_t token) {
  for (int32_t child = node + 1; token >= 0 && child < tree.node_count; ++child) {
    if (parents[child] == node && node_tokens[child] == token) return child;
  }
  return -1;
}

}  // namespace

Progress verify(Execution&, const Verify& a) {
  for (int n = 0; n < a.tree_count; ++n) {
    const VerifyTree& tree = a.trees.as<VerifyTree>()[n];
    const int32_t* parents = a.parents.as<int32_t>() + tree.node_begin;
    const int32_t* node_tokens = a.node_tokens.as<int32_t>() + tree.node_begin;
    const int32_t* drawn = a.tokens.as<int32_t>() + tree.row_begin;
    int32_t* path = a.accepted.row<int32_t>(n);
    int32_t depth = 0, node = 0;
    while (depth + 1 < Verify::kMaxPath) {
      const int32_t child = child_with(parents, node_tokens, tree, node, drawn[node]);
      if (child < 0) break;
      node = child;
      path[++depth] = node;
      if (tree.slot < 0) continue;
      CHECK_LT(tree.committed + depth, a.history.dim(1));
      a.history.row<int32_t>(tree.slot)[tree.committed + depth] = node_tokens[node];
    }
    path[0] = depth;
    if (tree.slot >= 0) a.last_tokens.as<int32_t>()[tree.slot] = drawn[node];
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
