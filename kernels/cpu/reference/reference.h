// The scalar definition of every op: the oracle of all other backends, written to be read. Each
// runs on the lane's thread alone. Arguments were checked when the op was submitted.
#pragma once

#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera::reference {

Progress linear(Execution&, const Linear&);
Progress pack_weight(Execution&, const PackWeight&);
Progress load_vector(Execution&, const LoadVector&);
Progress add_rms_norm(Execution&, const AddRmsNorm&);
Progress add_rows(Execution&, const AddRows&);
Progress gather_rows(Execution&, const GatherRows&);
Progress scatter_rows(Execution&, const ScatterRows&);
Progress resolve_tokens(Execution&, const ResolveTokens&);
Progress embed(Execution&, const Embed&);
Progress rope_and_store(Execution&, const RopeAndStore&);
Progress attention(Execution&, const Attention&);
Progress kv_commit(Execution&, const KvCommit&);
Progress kv_page_copy(Execution&, const KvPageCopy&);
Progress gated_scan(Execution&, const GatedScan&);
Progress state_commit(Execution&, const StateCommit&);
Progress sample(Execution&, const Sample&);
Progress verify(Execution&, const Verify&);
Progress all_reduce(Execution&, const AllReduce&);
Progress all_gather(Execution&, const AllGather&);
Progress add_layer_norm(Execution&, const AddLayerNorm&);
float activated(Activation kind, float x);
Progress activate(Execution&, const Activate&);
Progress add_positions(Execution&, const AddPositions&);
Progress patchify(Execution&, const Patchify&);
Progress unpatchify(Execution&, const Unpatchify&);
Progress combine(Execution&, const Combine&);
Progress feature_put(Execution&, const FeaturePut&);
Progress feature_add(Execution&, const FeatureAdd&);
Progress relative_l1(Execution&, const RelativeL1&);
Progress dot_products(Execution&, const DotProducts&);
Progress im2col(Execution&, const Im2Col&);
Progress group_norm(Execution&, const GroupNorm&);

}  // namespace tessera::reference
