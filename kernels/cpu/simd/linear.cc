// Matrix products for every Highway target with fused multiply-add: see kernels/ops/linear.h for
// the order of operations and dot_inl.h for the register blocks.
//
// One row of x is bound by memory: each panel is read once, in address order, and the lines of the
// next chunk are asked for while this one is multiplied. More rows reuse each chunk of a panel pair
// (8 KiB, in L1) for all their register blocks before the next is touched, so that reading goes on
// behind the arithmetic; up to about 12 rows on this path cost little more than one.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/laid_rows.h"
#include "kernels/cpu/linear_blocking.h"
#include "kernels/cpu/linear_dots.h"
#include "kernels/cpu/linear_finish.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/linear.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/dot_inl.h"
#include "kernels/cpu/simd/finish_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

// Sums are finished two panels at a time, for the panels of a gated product come in pairs.
constexpr int kAccPanels = 2;
constexpr int kAccStride = kAccPanels * kPanelColumns;
static_assert(kAccPanels % kBlockPanels == 0);
constexpr int64_t kChunkBlocks = 4;
constexpr int64_t kChunksAhead = 2;
constexpr int kLinesPerBlock = kPairsPerBlock;  // a pair of one panel is one cache line
static_assert(kBlockRows == kDotRows);

template <int R, int P>
void add_chunk(const DotChunk& chunk) {
  const float* HWY_RESTRICT x = reinterpret_cast<const float*>(chunk.x);
  const uint32_t* HWY_RESTRICT w = chunk.w;
  const int64_t panel_stride = chunk.panel_stride;
  for (int64_t block = 0; block < chunk.blocks; ++block) {
    for (int panel = 0; panel < P; ++panel) chunk.ahead.ask_for(panel, block);
    const auto at = [w, panel_stride](int pair, int panel)
                        HWY_ATTR { return w + panel * panel_stride + pair * kPairWords; };
    add_block<R, P>(x, at, kPairsPerBlock, chunk.acc, chunk.acc_stride);
    x += chunk.x_stride / static_cast<int64_t>(sizeof(float));
    w += kPairsPerBlock * kPairWords;
  }
}

template <int P, int... kRowsLess1>
constexpr std::array<AddDots, kDotRows> row_kernels(std::integer_sequence<int, kRowsLess1...>) {
  return {add_chunk<kRowsLess1 + 1, P>...};
}

void widen_rows(const Linear& args, int64_t row_begin, int64_t rows, std::byte* x) {
  const FloatTag d;
  const int64_t K = args.w.K;
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t* in = args.x.row<const uint16_t>(row_begin + row);
    float* HWY_RESTRICT out = reinterpret_cast<float*>(x) + row * kPanelDepth;
    int64_t k = 0;
    for (; k + kPanelDepth <= K; k += kPanelDepth, out += rows * kPanelDepth) {
      for (int i = 0; i < kPanelDepth; i += kLanes) hn::Store(load_bf16(in + k + i), d, out + i);
    }
    if (k == K) continue;
    uint16_t rest[kPanelDepth] = {};
    std::memcpy(rest, in + k, static_cast<size_t>(K - k) * sizeof(uint16_t));
    for (int i = 0; i < kPanelDepth; i += kLanes) hn::Store(load_bf16(rest + i), d, out + i);
  }
}

constexpr auto kRowCounts = std::make_integer_sequence<int, kDotRows>();
constexpr DotKernels kChainKernels = {
    .element_bytes = sizeof(float),
    .lay_out = widen_rows,
    .add = {row_kernels<1>(kRowCounts), row_kernels<kBlockPanels>(kRowCounts)}};

// One task: `rows` rows from `row_begin` times panels [panel_begin, panel_end).
struct Task {
  int64_t row_begin, rows;
  const std::byte* x;  // as the kernels lay them out; null for f32 weights
  int64_t panel_begin, panel_end;
};

// Where the chunk stands that comes kChunksAhead after (panel, block); none beyond the task's end.
PanelLinesAhead look_ahead(const Task& task, const uint32_t* w, int64_t panel_stride,
                           int64_t blocks, int64_t panel, int64_t block) {
  block += kChunksAhead * kChunkBlocks;
  while (block >= blocks) {
    block -= round_up(blocks, kChunkBlocks);
    panel += kBlockPanels;
  }
  if (panel >= task.panel_end) return {.first = {w, w}, .count = 0};
  const uint32_t* const first = w + panel * panel_stride + block * kPairsPerBlock * kPairWords;
  const bool pair = kBlockPanels == 2 && panel + 1 < task.panel_end;
  return {.first = {first, pair ? first + panel_stride : first}, .count = kLinesPerBlock};
}

// One chunk times all rows, which share out the lines ahead. Groups are as even as they can be: 7
// rows are 4 + 3, not 6 + 1.
void add_row_groups(const std::array<AddDots, kDotRows>& kernels, const DotChunk& chunk,
                    int64_t rows, int64_t row_bytes) {
  const int64_t groups = (rows + kDotRows - 1) / kDotRows;
  int64_t row = 0;
  int64_t line = 0;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t row_end = (group + 1) * rows / groups;
    const int64_t line_end = (group + 1) * chunk.ahead.count / groups;
    DotChunk part = chunk;
    part.x += row * row_bytes;
    part.acc += row * kAccStride;
    for (const uint32_t*& first : part.ahead.first) first += line * kPairWords;
    part.ahead.count = static_cast<int>(line_end - line);
    kernels[static_cast<size_t>(row_end - row - 1)](part);
    row = row_end;
    line = line_end;
  }
}

// All rows of the task times kBlockPanels panels, or the one that is left, added to `acc`.
void add_panels(const Linear& args, const DotKernels& kernels, const Task& task, int64_t panel,
                float* acc) {
  const int64_t blocks = args.w.padded_depth() / kPanelDepth;
  const int64_t panel_stride = blocks * kPairsPerBlock * kPairWords;
  const int64_t row_bytes = kPanelDepth * kernels.element_bytes;
  const uint32_t* w = static_cast<const uint32_t*>(args.w.data);
  const bool whole = task.panel_end - panel >= kBlockPanels;
  for (int64_t block = 0; block < blocks; block += kChunkBlocks) {
    const DotChunk chunk = {.x = task.x + block * task.rows * row_bytes,
                            .x_stride = task.rows * row_bytes,
                            .w = w + panel * panel_stride + block * kPairsPerBlock * kPairWords,
                            .panel_stride = panel_stride,
                            .blocks = std::min(kChunkBlocks, blocks - block),
                            .acc = acc,
                            .acc_stride = kAccStride,
                            .ahead = look_ahead(task, w, panel_stride, blocks, panel, block)};
    add_row_groups(kernels.add[whole ? kBlockPanels - 1 : 0], chunk, task.rows, row_bytes);
  }
}

void run_task(const Linear& args, const DotKernels& kernels, const Task& task) {
  HWY_ALIGN float acc[LinearBlocking::kMaxRowsPerBlock * kAccStride];
  for (int64_t panel = task.panel_begin; panel < task.panel_end; panel += kAccPanels) {
    std::memset(acc, 0, static_cast<size_t>(task.rows) * kAccStride * sizeof(float));
    for (int64_t at = panel; at < std::min(panel + kAccPanels, task.panel_end);
         at += kBlockPanels) {
      add_panels(args, kernels, task, at, acc + (at - panel) * kPanelColumns);
    }
    finish_columns(args, task.row_begin, task.rows, panel * kPanelColumns, acc, kAccStride);
  }
}

void linear_of_dots(Execution& execution, const Linear& args, const DotKernels& kernels) {
  const int64_t M = args.x.dim(0);
  const int64_t depth = args.w.padded_depth();
  const int64_t row_bytes = depth * kernels.element_bytes;
  const int64_t panels = args.w.padded_columns() / kPanelColumns;
  const LinearBlocking blocking = choose_linear_blocking(
      {.M = M,
       .panels = panels,
       .row_bytes = row_bytes,
       .panel_bytes = depth * kPanelColumns * static_cast<int64_t>(sizeof(uint16_t)),
       .panel_products = depth * kPanelColumns,
       .row_step = kDotRows,
       .panel_step = 2},
      execution.pool().threads());
  const auto rows_of = [&](int64_t block) {
    return std::min(blocking.rows_per_block, M - block * blocking.rows_per_block);
  };
  LaidRows x(execution, blocking.row_blocks, blocking.rows_per_block * row_bytes,
             [&](int64_t block, std::byte* out) {
               kernels.lay_out(args, block * blocking.rows_per_block, rows_of(block), out);
             });
  const auto multiply = [&](int64_t index, int thread) {
    const int64_t row_block = blocking.row_block(index), range = blocking.panel_range(index);
    run_task(args, kernels,
             {.row_begin = row_block * blocking.rows_per_block,
              .rows = rows_of(row_block),
              .x = x.of(row_block, thread),
              .panel_begin = range * blocking.panels_per_task,
              .panel_end = std::min(panels, (range + 1) * blocking.panels_per_task)});
  };
  execution.pool().parallel_for(blocking.tasks(), multiply);
}

// f32: the chain of an output stays in a register for all of K.
template <int R, int P>
void multiply_f32(const float* x, int64_t x_stride, const float* w, int64_t panel_stride, int64_t K,
                  float* acc) {
  const auto at = [w, panel_stride](int64_t k, int panel)
                      HWY_ATTR { return w + panel * panel_stride + k * kPanelColumns; };
  for (int row = 0; row < R; ++row) {
    std::memset(acc + row * kAccStride, 0, P * kPanelColumns * sizeof(float));
  }
  add_chain<R, P>(x, x_stride, at, K, acc, kAccStride);
}

using MultiplyF32 = void (*)(const float*, int64_t, const float*, int64_t, int64_t, float*);
template <int P, int... kRowsLess1>
constexpr std::array<MultiplyF32, sizeof...(kRowsLess1)> f32_kernels(
    std::integer_sequence<int, kRowsLess1...>) {
  return {multiply_f32<kRowsLess1 + 1, P>...};
}
template <int P>
constexpr std::array<MultiplyF32, kBlockRows> kMultiplyF32 =
    f32_kernels<P>(std::make_integer_sequence<int, kBlockRows>());

void run_f32_task(const Linear& args, const Task& task) {
  HWY_ALIGN float acc[kBlockRows * kAccStride];
  const int64_t panel_stride = args.w.padded_depth() * kPanelColumns;
  const float* w = static_cast<const float*>(args.w.data);
  for (int64_t panel = task.panel_begin; panel < task.panel_end; panel += kAccPanels) {
    const int64_t panel_end = std::min(panel + kAccPanels, task.panel_end);
    for (int64_t row = 0; row < task.rows; row += kBlockRows) {
      const int64_t rows = std::min<int64_t>(kBlockRows, task.rows - row);
      for (int64_t at = panel; at < panel_end; at += kBlockPanels) {
        const bool whole = panel_end - at >= kBlockPanels;
        const auto& kernels = whole ? kMultiplyF32<kBlockPanels> : kMultiplyF32<1>;
        kernels[static_cast<size_t>(rows - 1)](
            args.x.row<const float>(task.row_begin + row), args.x.stride[0], w + at * panel_stride,
            panel_stride, args.w.K, acc + (at - panel) * kPanelColumns);
      }
      finish_columns(args, task.row_begin + row, rows, panel * kPanelColumns, acc, kAccStride);
    }
  }
}

void linear_f32(Execution& execution, const Linear& args) {
  const int64_t M = args.x.dim(0);
  const int64_t panels = args.w.padded_columns() / kPanelColumns;
  const int64_t row_bytes = args.w.padded_depth() * static_cast<int64_t>(sizeof(float));
  const LinearBlocking blocking =
      choose_linear_blocking({.M = M,
                              .panels = panels,
                              .row_bytes = row_bytes,
                              .panel_bytes = row_bytes * kPanelColumns,
                              .panel_products = args.w.padded_depth() * kPanelColumns,
                              .row_step = kBlockRows,
                              .panel_step = 2},
                             execution.pool().threads());
  const auto multiply = [&](int64_t index, int) {
    const int64_t row_begin = blocking.row_block(index) * blocking.rows_per_block;
    const int64_t range = blocking.panel_range(index);
    run_f32_task(args, {.row_begin = row_begin,
                        .rows = std::min(blocking.rows_per_block, M - row_begin),
                        .x = nullptr,
                        .panel_begin = range * blocking.panels_per_task,
                        .panel_end = std::min(panels, (range + 1) * blocking.panels_per_task)});
  };
  execution.pool().parallel_for(blocking.tasks(), multiply);
}

Progress linear(Execution& execution, const Linear& args) {
  if (args.x.dim(0) == 0 || args.w.N == 0) return Progress::kDone;
  if (args.w.dtype == DType::kBf16) {
    linear_of_dots(execution, args, kChainKernels);
  } else {
    linear_f32(execution, args);
  }
  return Progress::kDone;
}

#endif

}  // namespace

LinearOfDots pick_linear_of_dots() {
#if HWY_NATIVE_FMA
  return linear_of_dots;
#else
  return nullptr;
#endif
}

FinishColumns pick_finish_columns() {
#if HWY_NATIVE_FMA
  return finish_columns;
#else
  return nullptr;
#endif
}

void fill_linear([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.linear = linear;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_linear);
HWY_EXPORT(pick_finish_columns);
HWY_EXPORT(pick_linear_of_dots);
LinearOfDots best_linear_of_dots() { return HWY_DYNAMIC_DISPATCH(pick_linear_of_dots)(); }
FinishColumns best_finish_columns() { return HWY_DYNAMIC_DISPATCH(pick_finish_columns)(); }
void install_linear(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_linear)(table); }
}  // namespace tessera
#endif
