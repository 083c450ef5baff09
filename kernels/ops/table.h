// The op table: one function pointer per op. A backend fills what it has; `check_complete` names
// what is missing. `install_reference`, `install_cpu` and `install_dry` are defined by the
// backend's library.
#pragma once

#include <string>

#include "kernels/core/stream.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/collective.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/linear.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/sample.h"

namespace tessera {

template <class Args>
using OpFn = Progress (*)(Execution&, const Args&);

struct OpTable {
  const char* backend = "";
  DeviceCopies copies;  // what Stream::upload and download do
  OpFn<Linear> linear = nullptr;
  OpFn<SwiGlu> swiglu = nullptr;
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
  OpFn<Sample> sample = nullptr;
  OpFn<Verify> verify = nullptr;
  OpFn<AllReduce> all_reduce = nullptr;
  OpFn<AllGather> all_gather = nullptr;
};

}  // namespace tessera
