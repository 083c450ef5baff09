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

constexpr double kActivationFlops = 20;  // an exponential is about 15

Progress linear(Execution& e, const Linear& a) {
  Note note("linear");
  note.reads({"x", a.x}).reads({"bias", a.bias}).writes({"out", a.out});
  note.moves(a.w.bytes(), 0);
  const double after = a.activation.has_value() ? kActivationFlops : 0;
  const double sums = static_cast<double>(a.x.dim(0) * a.w.N);
  return note.computes(2.0 * sums * static_cast<double>(a.w.K) + after * elements(a.out)).in(e);
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

// Modulation rows are few and stay in the cache: each part counts once.
Progress add_layer_norm(Execution& e, const AddLayerNorm& a) {
  Note note("add_layer_norm");
  note.reads({"delta", a.delta}).reads({"gate", a.gate}).reads({"rows", a.rows});
  note.reads({"gain", a.gain}).reads({"bias", a.bias});
  note.reads({"scale", a.scale}).reads({"shift", a.shift}).reads({"row_mod", a.row_mod});
  const int64_t touched = a.normed.dim(0) * row_bytes(a.residual);
  note.moves(touched, a.delta.empty() ? 0 : touched);
  return note.writes({"normed", a.normed}).computes(9.0 * elements(a.normed)).in(e);
}

Progress activate(Execution& e, const Activate& a) {
  Note note("activate");
  note.reads({"in", a.in}).writes({"out", a.out});
  return note.computes(kActivationFlops * elements(a.out)).in(e);
}

Progress add_rows(Execution& e, const AddRows& a) {
  return Note("add_rows")
      .reads({"delta", a.delta})
      .reads({"rows", a.rows})
      .reads({"gate", a.gate})
      .reads({"row_mod", a.row_mod})
      .moves(a.delta.bytes(), a.delta.bytes())
      .computes(elements(a.delta))
      .in(e);
}

Progress add_positions(Execution& e, const AddPositions& a) {
  const int64_t bytes = a.index_a.dim(0) * row_bytes(a.residual);
  return Note("add_positions")
      .reads({"index_a", a.index_a})
      .reads({"index_b", a.index_b})
      .reads({"rows", a.rows})
      .moves(2 * bytes, bytes)
      .computes(static_cast<double>(bytes / 4))
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
  const int64_t T = a.qkv.dim(0);
  const int64_t stored = 2 * T * a.Hkv * a.Dh * static_cast<int64_t>(size_of(a.k_pages.dtype));
  const int64_t angles = a.cos_sin.empty() ? 0 : T * a.Dh * static_cast<int64_t>(sizeof(float));
  return Note("rope_and_store")
      .reads({"qkv", a.qkv})
      .reads({"positions", a.positions})
      .reads({"slots", a.slots})
      .moves(angles, stored)
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
      .reads({"relative_bias", a.relative_bias})
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

// A segment reads and writes one state; of trees, which leave one for each row, nothing is known.
Progress gated_scan(Execution& e, const GatedScan& a) {
  const int64_t states = a.segment_count * row_bytes(a.states);
  return Note("gated_scan")
      .reads({"inputs", a.inputs})
      .reads({"segments", a.segments})
      .moves(states, states)
      .writes({"out", a.out})
      .computes(38.0 * elements(a.out))  // two exponentials of about 15
      .in(e);
}

Progress state_commit(Execution& e, const StateCommit& a) {
  const int64_t moved = a.tree_count * row_bytes(a.states);
  return Note("state_commit")
      .reads({"node_slots", a.node_slots})
      .reads({"accepted", a.accepted})
      .moves(moved, moved)
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

Progress patchify(Execution& e, const Patchify& a) {
  const int64_t read = a.rows.elements() * static_cast<int64_t>(sizeof(float));
  return Note("patchify").moves(read, 0).writes({"rows", a.rows}).in(e);
}

Progress unpatchify(Execution& e, const Unpatchify& a) {
  const int64_t written = a.rows.dim(0) * a.channels * a.patch * a.patch;
  const int64_t bytes = written * static_cast<int64_t>(sizeof(float));
  return Note("unpatchify").moves(bytes, bytes).in(e);
}

// The entries stand in device memory, which a dry run cannot read.
Progress combine(Execution& e, const Combine& a) {
  return Note("combine").reads({"entries", a.entries}).in(e);
}

Progress feature_put(Execution& e, const FeaturePut& a) {
  const int64_t bytes = a.slots.dim(0) * row_bytes(a.store);
  return Note("feature_put")
      .reads({"index", a.index})
      .reads({"gate", a.gate})
      .reads({"row_mod", a.row_mod})
      .reads({"slots", a.slots})
      .moves(a.minus_store ? 2 * bytes : bytes, bytes)
      .computes(static_cast<double>(bytes / 4))
      .in(e);
}

Progress feature_add(Execution& e, const FeatureAdd& a) {
  const int64_t bytes = a.slots.dim(0) * row_bytes(a.store);
  return Note("feature_add")
      .reads({"slots", a.slots})
      .reads({"gate", a.gate})
      .reads({"row_mod", a.row_mod})
      .reads({"rows", a.rows})
      .moves(2 * bytes, bytes)
      .computes(static_cast<double>(bytes / 4))
      .in(e);
}

// Which rows the segments take stands in device memory; at most every row of the shorter tensor.
Progress note_probe(Execution& e, const char* op, const RowPairs& pairs, const Tensor& out,
                    double flops) {
  const int64_t pairs_most = std::min(pairs.a.dim(0), pairs.b.dim(0));
  return Note(op)
      .moves(2 * pairs_most * row_bytes(pairs.a), 0)
      .reads({"segments", pairs.segments})
      .writes({"out", out})
      .computes(flops * static_cast<double>(pairs_most * pairs.a.dim(1)))
      .in(e);
}

Progress relative_l1(Execution& e, const RelativeL1& a) {
  return note_probe(e, "relative_l1", a.pairs, a.out, 3.0);
}

Progress dot_products(Execution& e, const DotProducts& a) {
  return note_probe(e, "dot_products", a.pairs, a.out, 6.0);
}

Progress im2col(Execution& e, const Im2Col& a) {
  // A pixel is read from memory once, however many windows hold it.
  const int64_t pixels = std::min(a.in.dim(0), a.out.dim(0));
  return Note("im2col").moves(pixels * row_bytes(a.in), 0).writes({"out", a.out}).in(e);
}

Progress group_norm(Execution& e, const GroupNorm& a) {
  Note note("group_norm");
  note.reads({"in", a.in}).reads({"gain", a.gain}).reads({"bias", a.bias});
  note.moves(a.in.bytes(), 0).writes({"out", a.out});
  return note.computes((a.silu ? 26.0 : 6.0) * elements(a.out)).in(e);
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
    table.gated_scan = gated_scan;
    table.state_commit = state_commit;
    table.sample = sample;
    table.verify = verify;
    table.all_reduce = all_reduce;
    table.all_gather = all_gather;
    table.add_layer_norm = add_layer_norm;
    table.activate = activate;
    table.add_positions = add_positions;
    table.patchify = patchify;
    table.unpatchify = unpatchify;
    table.combine = combine;
    table.feature_put = feature_put;
    table.feature_add = feature_add;
    table.relative_l1 = relative_l1;
    table.dot_products = dot_products;
    table.im2col = im2col;
    table.group_norm = group_norm;
    return table;
  }();
  return table;
}

}  // namespace tessera
