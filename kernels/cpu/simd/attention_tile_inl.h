// One tile of keys against the query rows of a row tile, once per Highway target: scores, the
// running softmax, values. The order of operations is that of kernels/ops/attention.h. Used by
// attention.cc, one instance of the state per compute thread.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_ATTENTION_TILE_INL_H_
#undef TESSERA_CPU_SIMD_ATTENTION_TILE_INL_H_
#else
#define TESSERA_CPU_SIMD_ATTENTION_TILE_INL_H_
#endif

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/cpu/attention_dots.h"
#include "kernels/cpu/simd/dot_inl.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/ops/attention.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

constexpr int kTilePages = kAttentionTile / kKvBlockTokens;
constexpr int kHalves = kAttentionTile / kPanelDepth;  // blocks of 32 keys, two pages each
static_assert(kHalves == 2);
constexpr int kSumLanes = 16;
constexpr float kNoKey = -std::numeric_limits<float>::infinity();

// One KV head's half of each page of a tile. Every pointer is readable; V of absent keys is finite.
struct TilePages {
  const void* k[kTilePages];
  const void* v[kTilePages];
};

// Cache lines of the next tile, asked for in small portions between the kernels of this one.
struct LinesAhead {
  const char* chunk[2 * kTilePages];
  int chunks = 0;
  int lines_per_chunk = 0;
  int portion = 0;
  int at_chunk = 0, at_line = 0;

  HWY_INLINE void ask() {
    for (int left = portion; left > 0 && at_chunk < chunks; --left) {
      __builtin_prefetch(chunk[at_chunk] + at_line * 64);
      if (++at_line == lines_per_chunk) {
        at_line = 0;
        ++at_chunk;
      }
    }
  }
};

// The running softmax of `n` query rows over the tiles of one span.
struct SpanState {
  int n;
  int group;  // query rows of one token, one after another
  int Dh;
  int width;  // Dh rounded up to whole panels; what stands beyond Dh is never used
  // Null: the dots of dot_inl.h. Else q and p are narrowed, each row where it stood as f32.
  const KeyDotKernels* dots;
  const float* q;  // [ceil(Dh / 32)][n][32], zero beyond Dh
  float* scores;   // [kHalves][n][32], also p
  float* maximum;  // [n]
  float* lanes;    // [n][16]
  float* out;      // [n][width]
  // The last columns of V where Dh is no multiple of a panel: [kAttentionTile keys' steps][16]
  // words, zero beyond Dh; else null.
  uint32_t* narrow;
  // Of key position 0 for the first token; null without biases. A token further has it one
  // element lower, a query row of the same token `bias_stride` higher.
  const float* bias;
  int64_t bias_stride;
};

inline void start_span(const SpanState& state) {
  for (int row = 0; row < state.n; ++row) state.maximum[row] = kNoKey;
  std::memset(state.lanes, 0, static_cast<size_t>(state.n) * kSumLanes * sizeof(float));
  std::memset(state.out, 0, static_cast<size_t>(state.n * state.width) * sizeof(float));
}

// bf16 pages hold pairs of bf16 in 32-bit words, f32 pages words of f32: in either, a step of the
// dot (a pair, or one k) is 16 words of K or Dh words of V.
template <bool kPaired>
using Word = std::conditional_t<kPaired, uint32_t, float>;
template <bool kPaired>
constexpr int kStepsPerBlock = kPaired ? kPanelDepth / 2 : kPanelDepth;

template <bool kPaired, int R, int P, class At>
HWY_INLINE void add_steps(const float* x, const At& at, int steps, float* acc, int64_t acc_stride) {
  if constexpr (kPaired) {
    add_block<R, P>(x, at, steps, acc, acc_stride);
  } else {
    add_chain<R, P>(x, kPanelDepth, at, steps, acc, acc_stride);
  }
}

// Scores of R query rows and P pages of 16 keys, without the scale. scores: rows 32 apart.
template <bool kPaired, int R, int P>
void score_rows(const SpanState& state, int row, const void* const* pages, float* scores) {
  const Word<kPaired>* page[P];
  for (int p = 0; p < P; ++p) page[p] = static_cast<const Word<kPaired>*>(pages[p]);
  for (int r = 0; r < R; ++r) {
    std::memset(scores + r * kPanelDepth, 0, P * kPanelColumns * sizeof(float));
  }
  const float* q = state.q + row * kPanelDepth;
  int left = kPaired ? state.Dh / 2 : state.Dh;
  while (left > 0) {
    const int steps = left < kStepsPerBlock<kPaired> ? left : kStepsPerBlock<kPaired>;
    const auto at = [&page](int64_t step, int p)
                        HWY_ATTR { return page[p] + step * kKvBlockTokens; };
    add_steps<kPaired, R, P>(q, at, steps, scores, kPanelDepth);
    for (int p = 0; p < P; ++p) page[p] += steps * kKvBlockTokens;
    q += state.n * kPanelDepth;
    left -= steps;
  }
}

// V of 32 keys in two pages, from some column on; `stride` words from step to step.
struct ValuePanels {
  const void* page[2];
  int64_t stride;
};

// out[rows][column, + P * 16) += p . v over the 32 keys of one half.
template <bool kPaired, int R, int P>
void value_rows(const SpanState& state, int row, const float* p, const ValuePanels& values,
                int column) {
  constexpr int kStepsPerPage = kStepsPerBlock<kPaired> / 2;
  const Word<kPaired>* const page[2] = {static_cast<const Word<kPaired>*>(values.page[0]),
                                        static_cast<const Word<kPaired>*>(values.page[1])};
  const int64_t stride = values.stride;
  const auto at = [&page, stride](int64_t step, int panel) HWY_ATTR {
    return page[step / kStepsPerPage] + step % kStepsPerPage * stride + panel * kPanelColumns;
  };
  add_steps<kPaired, R, P>(p, at, kStepsPerBlock<kPaired>, state.out + row * state.width + column,
                           state.width);
}

using ScoreRows = void (*)(const SpanState&, int, const void* const*, float*);
using ValueRows = void (*)(const SpanState&, int, const float*, const ValuePanels&, int);
template <bool kPaired, int P, int... kRowsLess1>
constexpr std::array<ScoreRows, sizeof...(kRowsLess1)> score_kernels(
    std::integer_sequence<int, kRowsLess1...>) {
  return {score_rows<kPaired, kRowsLess1 + 1, P>...};
}
template <bool kPaired, int P, int... kRowsLess1>
constexpr std::array<ValueRows, sizeof...(kRowsLess1)> value_kernels(
    std::integer_sequence<int, kRowsLess1...>) {
  return {value_rows<kPaired, kRowsLess1 + 1, P>...};
}
template <bool kPaired, int P>
constexpr auto kScoreRows =
    score_kernels<kPaired, P>(std::make_integer_sequence<int, kBlockRows>());
template <bool kPaired, int P>
constexpr auto kValueRows =
    value_kernels<kPaired, P>(std::make_integer_sequence<int, kBlockRows>());

// Calls visit(first row, rows) for groups of at most kBlockRows, as even as they can be.
template <class Visit>
HWY_INLINE void for_row_groups(int begin, int end, Visit&& visit) {
  const int count = end - begin;
  const int groups = (count + kBlockRows - 1) / kBlockRows;
  int row = begin;
  for (int group = 1; group <= groups; ++group) {
    const int next = begin + count * group / groups;
    visit(row, next - row);
    row = next;
  }
}

HWY_INLINE const std::byte* bytes_of(const float* rows, int row) {
  return reinterpret_cast<const std::byte*>(rows + row * kPanelDepth);
}

// The same as score_rows, of two pages.
inline void score_narrowed(const SpanState& state, int row, int rows, const void* const* pages,
                           float* scores) {
  std::memset(scores, 0, static_cast<size_t>(rows) * kPanelDepth * sizeof(float));
  constexpr int kHalfWords = kPairsPerBlock / 2 * kKvBlockTokens;
  const uint32_t* const k[2] = {static_cast<const uint32_t*>(pages[0]),
                                static_cast<const uint32_t*>(pages[1])};
  state.dots->add[1][static_cast<size_t>(rows - 1)](
      {.x = bytes_of(state.q, row),
       .x_stride = state.n * kPanelDepth * static_cast<int64_t>(sizeof(float)),
       .w = {{k[0], k[1]}, {k[0] + kHalfWords, k[1] + kHalfWords}},
       .pair_stride = kKvBlockTokens,
       .block_stride = 2 * kHalfWords,
       .pairs = state.Dh / 2,
       .acc = scores,
       .acc_stride = kPanelDepth});
}

// The same as value_rows, of one or two panels.
inline void value_narrowed(const SpanState& state, int row, int rows, const float* p,
                           const ValuePanels& values, int column, int panels) {
  const uint32_t* const v[2] = {static_cast<const uint32_t*>(values.page[0]),
                                static_cast<const uint32_t*>(values.page[1])};
  state.dots->add[static_cast<size_t>(panels - 1)][static_cast<size_t>(rows - 1)](
      {.x = bytes_of(p, row),
       .x_stride = 0,
       .w = {{v[0], v[0] + kPanelColumns}, {v[1], v[1] + kPanelColumns}},
       .pair_stride = values.stride,
       .block_stride = 0,
       .pairs = kPairsPerBlock,
       .acc = state.out + row * state.width + column,
       .acc_stride = state.width});
}

template <bool kPaired>
void score_half(const SpanState& state, int begin, int end, const void* const* pages, float* scores,
                LinesAhead& ahead) {
  for_row_groups(begin, end, [&](int row, int rows) HWY_ATTR {
    ahead.ask();
    if (state.dots != nullptr) {
      score_narrowed(state, row, rows, pages, scores + row * kPanelDepth);
      return;
    }
    for (int page = 0; page < 2; page += kBlockPanels) {
      kScoreRows<kPaired, kBlockPanels>[static_cast<size_t>(rows - 1)](
          state, row, pages + page, scores + row * kPanelDepth + page * kKvBlockTokens);
    }
  });
}

// Copies the columns of V that fill no whole panel.
template <bool kPaired>
void copy_narrow_columns(const SpanState& state, const TilePages& pages) {
  constexpr int kStepsPerPage = kStepsPerBlock<kPaired> / 2;
  const int columns = state.Dh % kPanelColumns, first = state.Dh - columns;
  for (int page = 0; page < kTilePages; ++page) {
    const uint32_t* in = static_cast<const uint32_t*>(pages.v[page]) + first;
    uint32_t* out = state.narrow + page * kStepsPerPage * kPanelColumns;
    for (int step = 0; step < kStepsPerPage; ++step) {
      for (int c = 0; c < columns; ++c) {
        out[step * kPanelColumns + c] = in[int64_t{step} * state.Dh + c];
      }
    }
  }
}

template <bool kPaired>
void value_half(const SpanState& state, int begin, int end, const float* p,
                const void* const* pages, int half, LinesAhead& ahead) {
  const auto add_panels = [&](int panels, const ValuePanels& values, int column) {
    const auto& kernels = panels == 1 ? kValueRows<kPaired, 1> : kValueRows<kPaired, kBlockPanels>;
    for_row_groups(begin, end, [&](int row, int rows) HWY_ATTR {
      ahead.ask();
      if (state.dots != nullptr) {
        value_narrowed(state, row, rows, p, values, column, panels);
        return;
      }
      kernels[static_cast<size_t>(rows - 1)](state, row, p + row * kPanelDepth, values, column);
    });
  };
  int column = 0;
  while (state.Dh - column >= kPanelColumns) {
    const bool wide = state.Dh - column >= kBlockPanels * kPanelColumns;
    const auto from = [column](const void* page) {
      return static_cast<const Word<kPaired>*>(page) + column;
    };
    const int panels = wide ? kBlockPanels : 1;
    add_panels(panels, {{from(pages[0]), from(pages[1])}, state.Dh}, column);
    column += panels * kPanelColumns;
  }
  if (column == state.Dh) return;
  constexpr int kPageWords = kStepsPerBlock<kPaired> / 2 * kPanelColumns;
  const uint32_t* const narrow = state.narrow + half * 2 * kPageWords;
  add_panels(1, {{narrow, narrow + kPageWords}, kPanelColumns}, column);
}

// Where key `key` of the tile stands in a row of scores.
HWY_INLINE int64_t score_index(const SpanState& state, int row, int key) {
  return (key / kPanelDepth * state.n + row) * kPanelDepth + key % kPanelDepth;
}

// f32 rounded to bf16 and widened again. A NaN stays one: those that get here come from bf16
// operands or are the default, so the addition does not run over.
HWY_INLINE FloatVec rounded_to_bf16(FloatVec value) {
  const BitsTag d;
  const BitsVec bits = hn::BitCast(d, value);
  const BitsVec lowest_kept = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  const BitsVec sum = hn::Add(hn::Add(bits, hn::Set(d, 0x7fffu)), lowest_kept);
  return hn::BitCast(FloatTag(), hn::And(sum, hn::Set(d, 0xffff0000u)));
}

// Multiplies what row `row` has gathered by exp(old - highest).
inline void rescale_row(const SpanState& state, int row, float old_maximum, FloatVec highest) {
  const FloatTag d;
  const FloatVec factor = exp_vector(d, hn::Sub(hn::Set(d, old_maximum), highest));
  float* const lanes = state.lanes + row * kSumLanes;
  float* const out = state.out + row * state.width;
  for (int i = 0; i < kSumLanes; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, lanes + i), factor), d, lanes + i);
  }
  for (int i = 0; i < state.width; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, out + i), factor), d, out + i);
  }
}

// Lanes of vector `v` of a tile whose keys are in `visible`.
HWY_INLINE hn::Mask<FloatTag> lanes_seen(uint64_t visible, int v) {
  const uint64_t bits = visible >> (v * kLanes);
  return hn::LoadMaskBits(FloatTag(), reinterpret_cast<const uint8_t*>(&bits));
}

// Scales, masks and exponentiates one row of scores, and brings its maximum, sum and output up to
// date. `visible` has a bit per key and is not 0; none of a key beyond kVectors vectors. `bias`
// belongs to the tile's first key; biases of other keys than the visible may not exist.
template <bool kPaired, bool kBiased, int kVectors>
HWY_INLINE void softmax_row(const SpanState& state, int row, uint64_t visible, float scale,
                            const float* bias) {
  const FloatTag d;
  const FloatVec factor = hn::Set(d, scale);
  const float old_maximum = state.maximum[row];
  FloatVec s[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const FloatVec score = hn::LoadU(d, state.scores + score_index(state, row, v * kLanes));
    if constexpr (kBiased) {
      s[v] =
          hn::MulAdd(factor, score, hn::MaskedLoad(lanes_seen(visible, v), d, bias + v * kLanes));
    } else {
      s[v] = hn::Mul(factor, score);
    }
  }
  if (visible != ~uint64_t{0}) {
    for (int v = 0; v < kVectors; ++v) {
      s[v] = hn::IfThenElse(lanes_seen(visible, v), s[v], hn::Set(d, kNoKey));
    }
  }
  FloatVec highest = s[0];
  for (int v = 1; v < kVectors; ++v) highest = hn::Max(highest, s[v]);
  highest = hn::Max(hn::MaxOfLanes(d, highest), hn::Set(d, old_maximum));
  const float maximum = hn::GetLane(highest);
  if (maximum > old_maximum) {
    if (old_maximum != kNoKey) rescale_row(state, row, old_maximum, highest);
    state.maximum[row] = maximum;
  }
  constexpr int kSumVectors = kSumLanes / kLanes;
  float* const lanes = state.lanes + row * kSumLanes;
  FloatVec sum[kSumVectors];
  for (int i = 0; i < kSumVectors; ++i) sum[i] = hn::LoadU(d, lanes + i * kLanes);
  for (int v = 0; v < kVectors; ++v) {
    FloatVec p = exp_down_vector(d, hn::Sub(s[v], highest));
    if constexpr (kPaired) p = rounded_to_bf16(p);
    hn::StoreU(p, d, state.scores + score_index(state, row, v * kLanes));
    sum[v % kSumVectors] = hn::Add(sum[v % kSumVectors], p);
  }
  for (int i = 0; i < kSumVectors; ++i) hn::StoreU(sum[i], d, lanes + i * kLanes);
}

// All rows in one loop, so that the constants of exp stay in registers; the first kTileHalves
// halves of the tile.
template <bool kPaired, bool kBiased, int kTileHalves>
HWY_NOINLINE void softmax_rows(const SpanState& state, int begin, int end, const uint64_t* masks,
                               float scale, int64_t first_key) {
  const int group = state.group;
  for (int token = begin / group; token * group < end; ++token) {
    const uint64_t visible = masks[token];
    for (int row = token * group; row < (token + 1) * group; ++row) {
      if (visible != 0) {
        const float* bias = nullptr;
        if constexpr (kBiased) {
          bias = state.bias + (row - token * group) * state.bias_stride - token + first_key;
        }
        softmax_row<kPaired, kBiased, kTileHalves * kPanelDepth / kLanes>(state, row, visible,
                                                                          scale, bias);
        continue;
      }
      // A row of the tile that sees none of these keys: p = 0 leaves it as it is.
      for (int half = 0; half < kTileHalves; ++half) {
        std::memset(state.scores + score_index(state, row, half * kPanelDepth), 0,
                    kPanelDepth * sizeof(float));
      }
    }
  }
}

// Takes query rows [begin, end) through the tile whose first key stands at position `first_key`;
// both are multiples of the group. masks[row / group] are the keys a row sees; `seen` is their
// union over these rows, not 0.
template <bool kPaired>
void add_tile(const SpanState& state, int begin, int end, const uint64_t* masks, uint64_t seen,
              const TilePages& pages, float scale, int64_t first_key, LinesAhead& ahead) {
  bool needed[kHalves];
  for (int half = 0; half < kHalves; ++half) {
    needed[half] = (seen >> (half * kPanelDepth) & 0xffffffff) != 0;
    if (!needed[half]) continue;
    score_half<kPaired>(state, begin, end, pages.k + 2 * half,
                        state.scores + half * state.n * kPanelDepth, ahead);
  }
  const auto softmax = [&] {
    if (state.bias == nullptr) {
      return needed[1] ? softmax_rows<kPaired, false, 2> : softmax_rows<kPaired, false, 1>;
    }
    return needed[1] ? softmax_rows<kPaired, true, 2> : softmax_rows<kPaired, true, 1>;
  }();
  softmax(state, begin, end, masks, scale, first_key);
  if (state.narrow != nullptr) copy_narrow_columns<kPaired>(state, pages);
  for (int half = 0; half < kHalves; ++half) {
    if (!needed[half]) continue;
    float* const p = state.scores + half * state.n * kPanelDepth;
    if (state.dots != nullptr) state.dots->narrow(p + begin * kPanelDepth, end - begin);
    value_half<kPaired>(state, begin, end, p, pages.v + 2 * half, half, ahead);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
