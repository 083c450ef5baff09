// Ops that move or add data and gain nothing from wider vectors than the compiler makes by itself:
// one version for every level, on all compute threads, with the reference's bits.
#pragma once

#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera::portable {

Progress pack_weight(Execution&, const PackWeight&);
Progress gather_rows(Execution&, const GatherRows&);
Progress scatter_rows(Execution&, const ScatterRows&);
Progress embed(Execution&, const Embed&);
Progress kv_commit(Execution&, const KvCommit&);
Progress kv_page_copy(Execution&, const KvPageCopy&);
Progress state_commit(Execution&, const StateCommit&);
Progress all_reduce(Execution&, const AllReduce&);
Progress all_gather(Execution&, const AllGather&);

}  // namespace tessera::portable
