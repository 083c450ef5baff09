// The op table: one function pointer per op. A backend fills what it has; `missing_ops` names what
// it lacks. The tables are `reference_ops` and `cpu_ops` (kernels/cpu/install.h) and `dry_ops`
// (kernels/dry/dry.h).
#pragma once

#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/ops/activation.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/collective.h"
#include "kernels/ops/combine.h"
#include "kernels/ops/conv.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/feature.h"
#include "kernels/ops/linear.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/patch.h"
#include "kernels/ops/position.h"
#include "kernels/ops/probe.h"
#include "kernels/ops/recurrence.h"
#include "kernels/ops/sample.h"

namespace tessera {

template <class Args>
using OpFn = Progress (*)(Execution&, const Args&);

struct OpTable {
  const char* backend = "";
  DeviceCopies copies;  // what Stream::upload and download do
  OpFn<Linear> linear = nullptr;
  OpFn<PackWeight> pack_weight = nullptr;
  OpFn<LoadVector> load_vector = nullptr;
  OpFn<AddRmsNorm> add_rms_norm = nullptr;
  OpFn<AddRows> add_rows = nullptr;
  OpFn<GatherRows> gather_rows = nullptr;
  OpFn<ScatterRows> scatter_rows = nullptr;
  OpFn<ResolveTokens> resolve_tokens = nullptr;
  OpFn<Embed> embed = nullptr;
  OpFn<RopeAndStore> rope_and_store = nullptr;
  OpFn<Attention> attention = nullptr;
  OpFn<KvCommit> kv_commit = nullptr;
  OpFn<KvPageCopy> kv_page_copy = nullptr;
  OpFn<GatedScan> gated_scan = nullptr;
  OpFn<StateCommit> state_commit = nullptr;
  OpFn<Sample> sample = nullptr;
  OpFn<Verify> verify = nullptr;
  OpFn<AllReduce> all_reduce = nullptr;
  OpFn<AllGather> all_gather = nullptr;
  OpFn<AddLayerNorm> add_layer_norm = nullptr;
  OpFn<Activate> activate = nullptr;
  OpFn<AddPositions> add_positions = nullptr;
  OpFn<Patchify> patchify = nullptr;
  OpFn<Unpatchify> unpatchify = nullptr;
  OpFn<Combine> combine = nullptr;
  OpFn<FeaturePut> feature_put = nullptr;
  OpFn<FeatureAdd> feature_add = nullptr;
  OpFn<RelativeL1> relative_l1 = nullptr;
  OpFn<DotProducts> dot_products = nullptr;
  OpFn<Im2Col> im2col = nullptr;
  OpFn<GroupNorm> group_norm = nullptr;

  // Calls visit(name, op) for every op of this table, in the order above.
  template <class Visit>
  void for_each(Visit&& visit) const {
    visit("linear", linear);
    visit("pack_weight", pack_weight);
    visit("load_vector", load_vector);
    visit("add_rms_norm", add_rms_norm);
    visit("add_rows", add_rows);
    visit("gather_rows", gather_rows);
    visit("scatter_rows", scatter_rows);
    visit("resolve_tokens", resolve_tokens);
    visit("embed", embed);
    visit("rope_and_store", rope_and_store);
    visit("attention", attention);
    visit("kv_commit", kv_commit);
    visit("kv_page_copy", kv_page_copy);
    visit("gated_scan", gated_scan);
    visit("state_commit", state_commit);
    visit("sample", sample);
    visit("verify", verify);
    visit("all_reduce", all_reduce);
    visit("all_gather", all_gather);
    visit("add_layer_norm", add_layer_norm);
    visit("activate", activate);
    visit("add_positions", add_positions);
    visit("patchify", patchify);
    visit("unpatchify", unpatchify);
    visit("combine", combine);
    visit("feature_put", feature_put);
    visit("feature_add", feature_add);
    visit("relative_l1", relative_l1);
    visit("dot_products", dot_products);
    visit("im2col", im2col);
    visit("group_norm", group_norm);
  }
};

// The ops (and copies) that `table` has no function for.
std::vector<std::string> missing_ops(const OpTable& table);

// CHECKs that nothing is missing.
void check_complete(const OpTable& table);

}  // namespace tessera
