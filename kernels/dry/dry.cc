#include "kernels/dry/dry.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tessera {
namespace {

DryLog& log_of(Execution& execution) { return reinterpret_cast<DryLog&>(execution); }

struct Named {
  const char* name;
  const Tensor& tensor;
};

std::string shape_text(const Named& named) {
  std::string text = std::string(named.name) + " [";
  for (int axis = 0; axis < named.tensor.rank; ++axis) {
    if (axis > 0) text.append(", ");
    text.append(std::to_string(named.tensor.shape[axis]));
  }
  return text + "]";
}

// Collects the operands of a call. Absent tensors count nothing.
class Note {
 public:
  explicit Note(const char* op) { call_.op = op; }
  Note& reads(Named named) {
    call_.bytes_read += show(named);
    return *this;
  }
  Note& writes(Named named) {
    call_.bytes_written += show(named);
    return *this;
  }
  Note& updates(Named named) {
    const int64_t bytes = show(named);
    call_.bytes_read += bytes;
    call_.bytes_written += bytes;
    return *this;
  }
  Note& moves(int64_t bytes_read, int64_t bytes_written) {
    call_.bytes_read += bytes_read;
    call_.bytes_written += bytes_written;
    return *this;
  }
  Note& computes(double flops) {
    call_.flops += flops;
    return *this;
  }
  Progress in(Execution& execution) {
    log_of(execution).add(std::move(call_));
    return Progress::kDone;
  }

 private:
  int64_t show(const Named& named) {
    if (named.tensor.empty()) return 0;
    if (!call_.shapes.empty()) call_.shapes.append(" ");
    call_.shapes.append(shape_text(named));
    return named.tensor.bytes();
  }
  DryCall call_;
};

double elements(const Tensor& tensor) { return static_cast<double>(tensor.elements()); }

int64_t row_bytes(const Tensor& tensor) {
  return tensor.dim(1) * static_cast<int64_t>(size_of(tensor.dtype));
}

Progress linear(Execution& e, const Linear& a) {
  Note note("linear");
  note.reads({"x", a.x}).reads({"bias", a.bias}).writes({"out", a.out});
  note.moves(a.w.bytes(), 0);
  return note.computes(2.0 * elements(a.out) * static_cast<double>(a.w.K)).in(e);
}

Progress swiglu(Execution& e, const SwiGlu& a) {
  Note note("swiglu");
  note.reads({"gate_up", a.gate_up}).writes({"out", a.out});
  return note.computes(20.0 * elements(a.out)).in(e);  // an exponential is about 15
}

Progress pack_weight(Execution& e, const PackWeight& a) {
  const int64_t elements = a.N * a.K;
  return Note("pack_weight")
      .moves(elements * static_cast<int64_t>(size_of(a.source_dtype)),
             elements * static_cast<int64_t>(size_of(a.w.dtype)))
      .in(e);
}

Progress load_vector(Execution& e, const LoadVector& a) {
  return Note("load_vector")
      .moves(a.out.elements() * static_cast<int64_t>(size_of(a.source_dtype)), 0)
      .writes({"out", a.out})
      .in(e);
}

Progress add_rms_norm(Execution& e, const AddRmsNorm& a) {
  Note note("add_rms_norm");
  note.reads({"delta", a.delta}).reads({"gain", a.gain}).reads({"rows", a.rows});
  if (a.delta.empty()) {
    // Without an addition, only the rows that are wanted are read.
    note.moves(a.normed.dim(0) * row_bytes(a.residual), 0);
  } else {
    note.updates({"residual", a.residual});
  }
  return note.writes({"normed", a.normed}).computes(5.0 * elements(a.normed)).in(e);
}

Progress add_rows(Execution& e, const AddRows& a) {
  return Note("add_rows")
      .reads({"delta", a.delta})
      .reads({"rows", a.rows})
      .moves(a.delta.bytes(), a.delta.bytes())
      .computes(elements(a.delta))
      .in(e);
}

Progress gather_rows(Execution& e, const GatherRows& a) {
  return Note("gather_rows")
      .reads({"rows", a.rows})
      .moves(a.out.bytes(), 0)
      .writes({"out", a.out})
      .in(e);
}

Progress scatter_rows(Execution& e, const ScatterRows& a) {
  return Note("scatter_rows")
      .reads({"rows", a.rows})
      .reads({"in", a.in})
      .moves(0, a.in.bytes())
      .in(e);
}

Progress resolve_tokens(Execution& e, const ResolveTokens& a) {
  return Note("resolve_tokens")
      .reads({"references", a.references})
      .reads({"slots", a.slots})
      .reads({"positions", a.positions})
      .writes({"tokens", a.tokens})
      .moves(0, a.tokens.bytes())
      .in(e);
}

Progress embed(Execution& e, const Embed& a) {
  return Note("embed")
      .reads({"tokens", a.tokens})
      .moves(a.residual.elements() * static_cast<int64_t>(size_of(a.table.dtype)), 0)
      .writes({"residual", a.residual})
      .in(e);
}

Progress rope_and_store(Execution& e, const RopeAndStore& a) {
  const int64_t T = a.q.dim(0);
  const int64_t stored = 2 * T * a.Hkv * a.Dh * static_cast<int64_t>(size_of(a.q.dtype));
  return Note("rope_and_store")
      .reads({"qkv", a.qkv})
      .reads({"positions", a.positions})
      .reads({"slots", a.slots})
      .moves(T * a.Dh * static_cast<int64_t>(sizeof(float)), stored)
      .writes({"q", a.q})
      .computes(6.0 * static_cast<double>(T * (a.H + a.Hkv) * a.Dh))
      .in(e);
}

Progress attention(Execution& e, const Attention& a) {
  const int64_t segments = std::max(1, a.segment_count);
  const int64_t pages = a.pages.empty() ? 0 : a.pages.dim(0);
  int64_t visible = pages * kKvBlockTokens / segments;
  if (a.spec.window > 0) {
    int64_t bound = int64_t{a.spec.window} + a.spec.sink;
    if (a.spec.block_stride > 0) bound += visible / a.spec.block_stride;
    visible = std::min(visible, bound);
  }
  const int64_t Hkv = a.k_pages.dim(1), Dh = a.q.dim(2);
  const int64_t read =
      2 * segments * visible * Hkv * Dh * static_cast<int64_t>(size_of(a.k_pages.dtype));
  return Note("attention")
      .reads({"q", a.q})
      .reads({"segments", a.segments})
      .reads({"pages", a.pages})
      .reads({"tails", a.tails})
      .moves(read, 0)
      .writes({"out", a.out})
      .writes({"lse", a.lse})
      .computes(4.0 * elements(a.q) * static_cast<double>(visible))
      .in(e);
}

Progress kv_commit(Execution& e, const KvCommit& a) {
  // At most every node but the root moves.
  const int64_t nodes = a.node_slots.dim(0) - a.tree_count;
  const int64_t slot = (a.k_pages.bytes() + a.v_pages.bytes()) /
                       std::max<int64_t>(1, a.k_pages.dim(0) * kKvBlockTokens);
  return Note("kv_commit")
      .reads({"node_slots", a.node_slots})
      .reads({"accepted", a.accepted})
      .moves(nodes * slot, nodes * slot)
      .in(e);
}

Progress kv_page_copy(Execution& e, const KvPageCopy& a) {
  return Note("kv_page_copy")
      .reads({"pages", a.pages})
      .moves(a.canonical.bytes(), a.canonical.bytes())
      .in(e);
}

Progress sample(Execution& e, const Sample& a) {
  const int64_t logits = int64_t{a.row_count} * a.vocab_size;
  return Note("sample")
      .reads({"rows", a.rows})
      .moves(logits * static_cast<int64_t>(sizeof(float)), 0)
      .writes({"tokens", a.tokens})
      .writes({"logprobs", a.logprobs})
      .writes({"logprob_ids", a.logprob_ids})
      .computes(20.0 * static_cast<double>(logits))
      .in(e);
}

Progress verify(Execution& e, const Verify& a) {
  return Note("verify")
      .reads({"parents", a.parents})
      .reads({"node_tokens", a.node_tokens})
      .reads({"tokens", a.tokens})
      .writes({"accepted", a.accepted})
      .in(e);
}

Progress all_reduce(Execution& e, const AllReduce& a) {
  return Note("all_reduce").updates({"data", a.data}).computes(elements(a.data)).in(e);
}

Progress all_gather(Execution& e, const AllGather& a) {
  return Note("all_gather").reads({"data", a.data}).writes({"out", a.out}).in(e);
}

}  // namespace

std::vector<DryTotal> DryLog::totals() const {
  std::vector<DryTotal> totals;
  for (const DryCall& call : calls_) {
    auto total = std::find_if(totals.begin(), totals.end(),
                              [&](const DryTotal& one) { return one.op == call.op; });
    if (total == totals.end()) total = totals.insert(totals.end(), DryTotal{call.op, 0, 0, 0, 0});
    ++total->calls;
    total->bytes_read += call.bytes_read;
    total->bytes_written += call.bytes_written;
    total->flops += call.flops;
  }
  return totals;
}

// Only the lane passes an Execution around and only the commands of its backend look inside, so
// each backend may put its own type behind the name.
Execution& dry_execution(DryLog& log) { return reinterpret_cast<Execution&>(log); }

const OpTable& dry_ops() {
  static const OpTable table = [] {
    OpTable table;
    table.backend = "dry";
    table.copies.in = [](Execution& e, void*, const std::byte*, size_t bytes) {
      Note("upload").moves(0, static_cast<int64_t>(bytes)).in(e);
    };
    table.copies.out = [](Execution& e, std::byte* host, const void*, size_t bytes) {
      std::memset(host, 0, bytes);
      Note("download").moves(static_cast<int64_t>(bytes), 0).in(e);
    };
    table.linear = linear;
    table.swiglu = swiglu;
    table.pack_weight = pack_weight;
    table.load_vector = load_vector;
    table.add_rms_norm = add_rms_norm;
    table.add_rows = add_rows;
    table.gather_rows = gather_rows;
    table.scatter_rows = scatter_rows;
    table.resolve_tokens = resolve_tokens;
    table.embed = embed;
    table.rope_and_store = rope_and_store;
    table.attention = attention;
    table.kv_commit = kv_commit;
    table.kv_page_copy = kv_page_copy;
    table.sample = sample;
    table.verify = verify;
    table.all_reduce = all_reduce;
    table.all_gather = all_gather;
    return table;
  }();
  return table;
}

}  // namespace tessera
