// Attention for every Highway target with fused multiply-add; see kernels/ops/attention.h for the
// order of operations, attention_plan.h for the cut into tasks, attention_tile_inl.h for the
// kernels.
//
// Decoding is bound by memory: each KV page is read once for all query heads of its KV head, and
// the next tile's lines are asked for while this one is computed. A prompt is bound by arithmetic:
// a tile of 64 keys (16 KiB at Dh 64 in bf16) stays in the L1 cache for up to 64 query rows.
#include "kernels/ops/attention.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cpu/attention_plan.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/attention_tile_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

// What all tasks of one op share.
struct Job {
  const Attention* args;
  const KeyDotKernels* dots;  // null: those of dot_inl.h
  AttentionPlan plan;
  int group;  // query heads per KV head
  int Dh;
  int width;           // Dh rounded up to whole panels
  int64_t head_bytes;  // of one KV head's half of a page
  int64_t page_bytes;  // of all heads
  const RowTile* tiles;
  const SpanRun* runs;
  const std::byte* zeroes;  // half a page of them
  float* partials;          // [spans][query_rows][2 + width]: maximum, sum, output
  std::byte* workspace;     // per thread
  int64_t workspace_bytes;  // of one thread
};

// One thread's memory, carved from its slice of the scratch.
struct Workspace {
  float* q;
  float* scores;
  float* maximum;
  float* lanes;
  float* out;
  float* whole_maximum;
  float* whole_sum;
  float* whole_out;
  uint64_t* masks;
  uint32_t* narrow;  // see SpanState
  std::byte* pages;  // copies of the tile's pages: kTilePages of K, then of V
};

// Lays out arrays one after another; without memory it only adds up what they need.
class Carver {
 public:
  explicit Carver(std::byte* at) : at_(at) {}
  template <class T>
  T* take(int64_t count) {
    T* const taken = at_ == nullptr ? nullptr : reinterpret_cast<T*>(at_ + bytes_);
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return taken;
  }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* at_;
  int64_t bytes_ = 0;
};

Workspace carve(const Job& job, Carver& carver) {
  const int64_t n = job.plan.query_rows, Dh = job.Dh, width = job.width;
  Workspace w;
  w.q = carver.take<float>(round_up(Dh, kPanelDepth) * n);
  w.scores = carver.take<float>(kAttentionTile * n);
  w.maximum = carver.take<float>(n);
  w.lanes = carver.take<float>(kSumLanes * n);
  w.out = carver.take<float>(width * n);
  w.whole_maximum = carver.take<float>(n);
  w.whole_sum = carver.take<float>(n);
  w.whole_out = carver.take<float>(width * n);
  w.masks = carver.take<uint64_t>(job.plan.rows_per_tile);
  w.narrow = carver.take<uint32_t>(width == Dh ? 0 : kAttentionTile * kPanelColumns);
  w.pages = carver.take<std::byte>(2 * kTilePages * job.head_bytes);
  return w;
}

// A row tile on its way through its spans, on one thread.
struct Walk {
  const Job* job;
  const RowTile* tile;
  const AttentionSegment* segment;
  Workspace work;
  SpanState state;
  int64_t last;  // highest query position of the tile
};

int64_t position_of(const Walk& walk, int64_t row) {
  const int64_t t = walk.segment->row_begin + walk.tile->first_row + row;
  return walk.job->args->positions.as<const int32_t>()[t];
}

// Query rows as f32 in blocks of 32 of Dh: row r of the tile and head g are query row r * group +
// g.
void load_queries(const Walk& walk) {
  const Job& job = *walk.job;
  const Tensor& q = job.args->q;
  const int64_t padded = round_up(job.Dh, kPanelDepth);
  for (int row = 0; row < walk.state.n; ++row) {
    const int64_t t = walk.segment->row_begin + walk.tile->first_row + row / job.group;
    const int64_t head = walk.tile->kv_head * job.group + row % job.group;
    const int64_t at = t * q.stride[0] + head * q.stride[1];
    for (int64_t d = 0; d < padded; d += kLanes) {
      FloatVec value = hn::Zero(FloatTag());
      if (d + kLanes <= job.Dh) {
        value = q.dtype == DType::kBf16 ? load_bf16(q.as<const uint16_t>() + at + d)
                                        : hn::LoadU(FloatTag(), q.as<const float>() + at + d);
      } else if (d < job.Dh) {
        HWY_ALIGN float last[kLanes] = {};
        for (int64_t i = 0; d + i < job.Dh; ++i) {
          last[i] = q.dtype == DType::kBf16 ? to_f32(q.as<const Bf16>()[at + d + i])
                                            : q.as<const float>()[at + d + i];
        }
        value = hn::Load(FloatTag(), last);
      }
      float* const block =
          walk.work.q + (d / kPanelDepth * walk.state.n + row) * kPanelDepth + d % kPanelDepth;
      hn::Store(value, FloatTag(), block);
    }
  }
}

// The biases of the tile's rows; null without any. CHECKs that no row or key lies beyond them.
const float* first_bias(const Walk& walk) {
  const Tensor& bias = walk.job->args->relative_bias;
  if (bias.empty()) return nullptr;
  const int64_t P = (bias.dim(1) + 1) / 2;
  CHECK_LE(walk.tile->first_row + walk.tile->row_count, P);
  CHECK_LT(walk.last, P);
  return bias.row<const float>(walk.tile->kv_head * walk.job->group) + P - 1 - walk.tile->first_row;
}

Walk begin_walk(const Job& job, const RowTile& tile, int thread) {
  Carver carver(job.workspace + thread * job.workspace_bytes);
  Walk walk;
  walk.job = &job;
  walk.tile = &tile;
  walk.segment = job.args->segments.as<const AttentionSegment>() + tile.segment;
  walk.work = carve(job, carver);
  walk.state = {.n = tile.row_count * job.group,
                .group = job.group,
                .Dh = job.Dh,
                .width = job.width,
                .dots = job.dots,
                .q = walk.work.q,
                .scores = walk.work.scores,
                .maximum = walk.work.maximum,
                .lanes = walk.work.lanes,
                .out = walk.work.out,
                .narrow = job.width == job.Dh ? nullptr : walk.work.narrow,
                .bias = nullptr,
                .bias_stride = job.args->relative_bias.stride[0]};
  walk.last = 0;
  for (int row = 0; row < tile.row_count; ++row) {
    walk.last = std::max(walk.last, position_of(walk, row));
  }
  walk.state.bias = first_bias(walk);
  if (walk.state.narrow != nullptr) {
    std::fill_n(walk.state.narrow, kAttentionTile * kPanelColumns, 0u);
  }
  load_queries(walk);
  if (job.dots != nullptr) {
    job.dots->narrow(walk.work.q, round_up(job.Dh, kPanelDepth) / kPanelDepth * walk.state.n);
  }
  return walk;
}

const std::byte* head_page(const Walk& walk, const Tensor& pages, int64_t page) {
  return pages.as<const std::byte>() + page * walk.job->page_bytes +
         walk.tile->kv_head * walk.job->head_bytes;
}

// The page of tile position `begin` + 16 * index, or -1 where no row of the walk has a key there.
int64_t page_at(const Walk& walk, int64_t begin, int index) {
  const int64_t first = begin + index * kKvBlockTokens;
  if (first > walk.last) return -1;
  return walk.job->args->pages
      .as<const int32_t>()[walk.segment->page_begin + first / kKvBlockTokens];
}

// Copies one half page of V with zeros for the keys that `seen` lacks: what stands there may be
// anything, and 0 times infinity is not nothing.
void copy_seen_values(const Job& job, const std::byte* from, uint64_t seen, std::byte* to) {
  const bool paired = job.args->q.dtype == DType::kBf16;
  const int64_t Dh = job.Dh;
  const uint32_t* const in = reinterpret_cast<const uint32_t*>(from);
  uint32_t* const out = reinterpret_cast<uint32_t*>(to);
  const int steps = paired ? kKvBlockTokens / 2 : kKvBlockTokens;
  for (int step = 0; step < steps; ++step) {
    uint32_t keep = (seen >> step & 1) != 0 ? ~uint32_t{0} : 0;
    if (paired) {
      keep = ((seen >> (2 * step) & 1) != 0 ? 0x0000ffffu : 0) |
             ((seen >> (2 * step + 1) & 1) != 0 ? 0xffff0000u : 0);
    }
    for (int64_t d = 0; d < Dh; ++d) out[step * Dh + d] = in[step * Dh + d] & keep;
  }
}

constexpr uint64_t kWholePage = 0xffff;

// The tile's pages for rows that share them: all but the tails of trees.
TilePages shared_pages(const Walk& walk, int64_t begin, uint64_t seen) {
  const Job& job = *walk.job;
  TilePages pages;
  for (int index = 0; index < kTilePages; ++index) {
    const uint64_t keys = seen >> (index * kKvBlockTokens) & kWholePage;
    if (keys == 0) {
      pages.k[index] = pages.v[index] = job.zeroes;
      continue;
    }
    const int64_t page = page_at(walk, begin, index);
    pages.k[index] = head_page(walk, job.args->k_pages, page);
    const std::byte* const values = head_page(walk, job.args->v_pages, page);
    pages.v[index] = values;
    if (keys == kWholePage) continue;
    std::byte* const copy = walk.work.pages + (kTilePages + index) * job.head_bytes;
    copy_seen_values(job, values, keys, copy);
    pages.v[index] = copy;
  }
  return pages;
}

// Copies key and value of one KV slot to place `key` of the copied pages `k` and `v`.
void copy_slot(const Walk& walk, int64_t slot, int key, std::byte* k, std::byte* v) {
  const Job& job = *walk.job;
  const bool paired = job.args->q.dtype == DType::kBf16;
  const int64_t token = slot % kKvBlockTokens, Dh = job.Dh;
  const auto* k_in =
      reinterpret_cast<const uint32_t*>(head_page(walk, job.args->k_pages, slot / kKvBlockTokens));
  const std::byte* const v_in = head_page(walk, job.args->v_pages, slot / kKvBlockTokens);
  auto* const k_out = reinterpret_cast<uint32_t*>(k);
  const int64_t words = paired ? Dh / 2 : Dh;
  for (int64_t word = 0; word < words; ++word) {
    k_out[word * kKvBlockTokens + key] = k_in[word * kKvBlockTokens + token];
  }
  if (!paired) {
    std::memcpy(v + key * Dh * 4, v_in + token * Dh * 4, static_cast<size_t>(Dh) * 4);
    return;
  }
  const uint16_t* in = reinterpret_cast<const uint16_t*>(v_in) + token / 2 * Dh * 2 + token % 2;
  uint16_t* out = reinterpret_cast<uint16_t*>(v) + key / 2 * Dh * 2 + key % 2;
  for (int64_t d = 0; d < Dh; ++d) out[2 * d] = in[2 * d];
}

// The tile's pages for one row of a tree: keys from `committed` on stand in the row's tail slots
// and are gathered, beside what precedes them on the same page.
TilePages tail_pages(const Walk& walk, int row, int64_t begin, uint64_t seen) {
  const Job& job = *walk.job;
  const AttentionSegment& segment = *walk.segment;
  const int64_t tail_row = walk.tile->first_row + row;
  const int32_t* const tail =
      job.args->tails.as<const int32_t>() + segment.tail_begin + tail_row * segment.tail_stride;
  TilePages pages = shared_pages(
      walk, begin, seen & [&] {
        // Only pages that lie wholly below `committed` are taken as they are.
        const int64_t whole = (segment.committed - begin) / kKvBlockTokens * kKvBlockTokens;
        return whole <= 0 ? 0 : ~uint64_t{0} >> (kAttentionTile - whole);
      }());
  for (int index = 0; index < kTilePages; ++index) {
    const int64_t first = begin + index * kKvBlockTokens;
    const uint64_t keys = seen >> (index * kKvBlockTokens) & kWholePage;
    if (first + kKvBlockTokens <= segment.committed || keys == 0) continue;
    std::byte* const k = walk.work.pages + index * job.head_bytes;
    std::byte* const v = k + kTilePages * job.head_bytes;
    std::memset(k, 0, static_cast<size_t>(job.head_bytes));
    std::memset(v, 0, static_cast<size_t>(job.head_bytes));
    for (uint64_t left = keys; left != 0; left &= left - 1) {
      const int key = std::countr_zero(left);
      const int64_t j = first + key;
      const int64_t slot = j < segment.committed
                               ? page_at(walk, begin, index) * kKvBlockTokens + key
                               : tail[j - segment.committed];
      copy_slot(walk, slot, key, k, v);
    }
    pages.k[index] = k;
    pages.v[index] = v;
  }
  return pages;
}

// The lines of the tile at `begin`, to be asked for in `portions` portions.
LinesAhead lines_of(const Walk& walk, int64_t begin, int portions) {
  const Job& job = *walk.job;
  LinesAhead ahead;
  const int64_t shared_end = walk.segment->committed < 0 ? walk.last + 1 : walk.segment->committed;
  if (begin >= shared_end) return ahead;
  ahead.lines_per_chunk = static_cast<int>(job.head_bytes / 64);
  for (const Tensor* half : {&job.args->k_pages, &job.args->v_pages}) {
    for (int index = 0; index < kTilePages; ++index) {
      if (begin + index * kKvBlockTokens >= shared_end) break;
      const int64_t page = page_at(walk, begin, index);
      if (page < 0) continue;
      ahead.chunk[ahead.chunks++] = reinterpret_cast<const char*>(head_page(walk, *half, page));
    }
  }
  ahead.portion = (ahead.chunks * ahead.lines_per_chunk + portions - 1) / portions;
  return ahead;
}

// How often add_tile asks for lines while it takes `rows` query rows through a whole tile.
int asks_per_tile(const Job& job, int rows) {
  const int groups = (rows + kBlockRows - 1) / kBlockRows;
  const int columns = (job.width / kPanelColumns + kBlockPanels - 1) / kBlockPanels;
  return kHalves * groups * (1 + columns);
}

template <bool kPaired>
void walk_tile(const Walk& walk, int64_t begin) {
  const Job& job = *walk.job;
  const Attention& args = *job.args;
  uint64_t* const masks = walk.work.masks;
  uint64_t seen = 0;
  int first = walk.tile->row_count, end = 0;
  for (int row = 0; row < walk.tile->row_count; ++row) {
    masks[row] = visible_keys(args.spec, position_of(walk, row), begin);
    if (masks[row] == 0) continue;
    seen |= masks[row];
    first = std::min(first, row);
    end = row + 1;
  }
  if (seen == 0) return;
  const int group = job.group;
  const int32_t committed = walk.segment->committed;
  if (committed < 0 || begin + kAttentionTile <= committed) {
    LinesAhead ahead =
        lines_of(walk, begin + kAttentionTile, asks_per_tile(job, (end - first) * group));
    add_tile<kPaired>(walk.state, first * group, end * group, masks, seen,
                      shared_pages(walk, begin, seen), args.scale, begin, ahead);
    return;
  }
  LinesAhead none;
  for (int row = first; row < end; ++row) {
    if (masks[row] == 0) continue;
    add_tile<kPaired>(walk.state, row * group, (row + 1) * group, masks, masks[row],
                      tail_pages(walk, row, begin, masks[row]), args.scale, begin, none);
  }
}

void walk_span(const Walk& walk, int64_t span) {
  const int64_t begin = span * kAttentionSpan;
  start_span(walk.state);
  for (int64_t tile = begin; tile < begin + kAttentionSpan && tile <= walk.last;
       tile += kAttentionTile) {
    if (walk.job->args->q.dtype == DType::kBf16) {
      walk_tile<true>(walk, tile);
    } else {
      walk_tile<false>(walk, tile);
    }
  }
}

float span_sum(const Walk& walk, int row) {
  LaneSum sum;
  std::memcpy(sum.lane.data(), walk.work.lanes + row * kSumLanes, sizeof(sum.lane));
  return sum.total();
}

void start_whole(const Walk& walk) {
  const int n = walk.state.n;
  std::fill_n(walk.work.whole_maximum, n, kNoKey);
  std::fill_n(walk.work.whole_sum, n, 0.0f);
  std::fill_n(walk.work.whole_out, n * walk.job->width, 0.0f);
}

// Joins one span's maximum, sum and output of query row `row` to what precedes it.
void join(const Walk& walk, int row, float maximum, float sum, const float* out) {
  if (maximum == kNoKey) return;
  const FloatTag d;
  const int width = walk.job->width;
  float& whole_maximum = walk.work.whole_maximum[row];
  float& whole_sum = walk.work.whole_sum[row];
  float* const whole_out = walk.work.whole_out + row * width;
  const float raised = std::max(whole_maximum, maximum);
  const FloatVec mine = exp_vector(d, hn::Set(d, whole_maximum - raised));
  const FloatVec theirs = exp_vector(d, hn::Set(d, maximum - raised));
  whole_maximum = raised;
  whole_sum =
      hn::GetLane(hn::MulAdd(hn::Set(d, sum), theirs, hn::Mul(hn::Set(d, whole_sum), mine)));
  for (int i = 0; i < width; i += kLanes) {
    const FloatVec before = hn::Mul(hn::LoadU(d, whole_out + i), mine);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, out + i), theirs, before), d, whole_out + i);
  }
}

template <class Out>
void store_row_result(const float* whole, float sum, int Dh, Out* out) {
  const FloatTag d;
  const FloatVec divisor = hn::Set(d, sum), zero = hn::Zero(d);
  const auto result = [&](int i) HWY_ATTR {
    return hn::Add(hn::Div(hn::LoadU(d, whole + i), divisor), zero);
  };
  int i = 0;
  for (; i + kLanes <= Dh; i += kLanes) store_row(result(i), out + i);
  if (i == Dh) return;
  HWY_ALIGN Out last[kLanes];
  store_row(result(i), last);
  std::memcpy(out + i, last, static_cast<size_t>(Dh - i) * sizeof(Out));
}

void store_result(const Walk& walk) {
  const Job& job = *walk.job;
  const Attention& args = *job.args;
  for (int row = 0; row < walk.state.n; ++row) {
    const int64_t t = walk.segment->row_begin + walk.tile->first_row + row / job.group;
    const int64_t head = walk.tile->kv_head * job.group + row % job.group;
    const float sum = walk.work.whole_sum[row];
    const float* const whole = walk.work.whole_out + row * job.width;
    const int64_t at = t * args.out.stride[0] + head * args.out.stride[1];
    if (args.out.dtype == DType::kBf16) {
      store_row_result(whole, sum, job.Dh, args.out.as<Bf16>() + at);
    } else {
      store_row_result(whole, sum, job.Dh, args.out.as<float>() + at);
    }
    if (!args.lse.empty()) {
      args.lse.row<float>(t)[head] = walk.work.whole_maximum[row] + log_f32(sum);
    }
  }
}

void run_whole_tile(const Job& job, int64_t index, int thread) {
  Walk walk = begin_walk(job, job.tiles[index], thread);
  if (walk.tile->spans == 1) {
    // Joined to nothing a span stays as it is.
    walk_span(walk, 0);
    walk.work.whole_maximum = walk.state.maximum;
    walk.work.whole_out = walk.state.out;
    for (int row = 0; row < walk.state.n; ++row) walk.work.whole_sum[row] = span_sum(walk, row);
    store_result(walk);
    return;
  }
  start_whole(walk);
  for (int span = 0; span < walk.tile->spans; ++span) {
    walk_span(walk, span);
    for (int row = 0; row < walk.state.n; ++row) {
      join(walk, row, walk.state.maximum[row], span_sum(walk, row),
           walk.state.out + row * job.width);
    }
  }
  store_result(walk);
}

float* partial_of(const Walk& walk, int span, int row) {
  const Job& job = *walk.job;
  const int64_t index = int64_t{walk.tile->first_span + span} * job.plan.query_rows + row;
  return job.partials + index * (2 + job.width);
}

void run_spans(const Job& job, int64_t index, int thread) {
  const SpanRun& run = job.runs[index];
  const Walk walk = begin_walk(job, job.tiles[run.tile], thread);
  for (int span = run.first_span; span < run.first_span + run.span_count; ++span) {
    walk_span(walk, span);
    for (int row = 0; row < walk.state.n; ++row) {
      float* const partial = partial_of(walk, span, row);
      partial[0] = walk.state.maximum[row];
      partial[1] = span_sum(walk, row);
      std::memcpy(partial + 2, walk.state.out + row * job.width,
                  static_cast<size_t>(job.width) * sizeof(float));
    }
  }
}

void join_spans(const Job& job, int64_t index, int thread) {
  const Walk walk = begin_walk(job, job.tiles[index], thread);
  start_whole(walk);
  for (int span = 0; span < walk.tile->spans; ++span) {
    for (int row = 0; row < walk.state.n; ++row) {
      const float* const partial = partial_of(walk, span, row);
      join(walk, row, partial[0], partial[1], partial + 2);
    }
  }
  store_result(walk);
}

Progress run(Execution& execution, const Attention& args, const KeyDotKernels* dots) {
  const int64_t Dh = args.q.dim(2);
  ComputePool& pool = execution.pool();
  Job job{};
  job.args = &args;
  job.dots = args.q.dtype == DType::kBf16 && Dh % 4 == 0 ? dots : nullptr;
  job.plan = plan_attention(args, pool.threads());
  job.group = static_cast<int>(args.q.dim(1) / args.k_pages.dim(1));
  job.Dh = static_cast<int>(Dh);
  job.width = static_cast<int>(round_up(Dh, kPanelColumns));
  job.head_bytes = kKvBlockTokens * Dh * static_cast<int64_t>(size_of(args.q.dtype));
  job.page_bytes = job.head_bytes * args.k_pages.dim(1);

  Carver workspace(nullptr);
  carve(job, workspace);
  job.workspace_bytes = workspace.bytes();
  // One allocation, the lane's own, holds what the threads share and a slice for each.
  std::byte* memory = nullptr;
  for (const bool measured : {false, true}) {
    Carver carver(memory);
    RowTile* const tiles = carver.take<RowTile>(job.plan.tiles);
    SpanRun* const runs = carver.take<SpanRun>(job.plan.runs);
    job.tiles = tiles;
    job.runs = runs;
    const int64_t partial_rows = job.plan.runs > 0 ? job.plan.spans * job.plan.query_rows : 0;
    job.partials = carver.take<float>(partial_rows * (2 + job.width));
    job.workspace = carver.take<std::byte>(job.workspace_bytes * pool.threads());
    std::byte* const zeroes = carver.take<std::byte>(job.head_bytes);
    job.zeroes = zeroes;
    if (measured) {
      fill_attention_plan(args, job.plan, tiles, runs);
      std::memset(zeroes, 0, static_cast<size_t>(job.head_bytes));
    } else {
      memory = execution.scratch(0, static_cast<size_t>(carver.bytes())).data();
    }
  }
  if (job.plan.runs == 0) {
    pool.parallel_for(job.plan.tiles,
                      [&](int64_t index, int thread) { run_whole_tile(job, index, thread); });
    return Progress::kDone;
  }
  pool.parallel_for(job.plan.runs,
                    [&](int64_t index, int thread) { run_spans(job, index, thread); });
  pool.parallel_for(job.plan.tiles,
                    [&](int64_t index, int thread) { join_spans(job, index, thread); });
  return Progress::kDone;
}

Progress attention(Execution& execution, const Attention& args) {
  return run(execution, args, nullptr);
}

Progress attention_of_dots(Execution& execution, const Attention& args, const KeyDotKernels& dots) {
  static_assert(kBlockRows == kDotRows);
  return run(execution, args, &dots);
}

#endif

}  // namespace

AttentionOfDots pick_attention_of_dots() {
#if HWY_NATIVE_FMA
  return attention_of_dots;
#else
  return nullptr;
#endif
}

void fill_attention([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.attention = attention;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_attention);
HWY_EXPORT(pick_attention_of_dots);
AttentionOfDots best_attention_of_dots() { return HWY_DYNAMIC_DISPATCH(pick_attention_of_dots)(); }
void install_attention(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_attention)(table); }
}  // namespace tessera
#endif
