#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

constexpr float kNowhere = -std::numeric_limits<float>::infinity();

bool visible(const AttentionSpec& spec, int64_t i, int64_t j) {
  if (j > i) return false;
  if (spec.window == 0 || i - j < spec.window || j < spec.sink) return true;
  return spec.block_stride > 0 && j / spec.block_tokens % spec.block_stride == 0;
}

// Where row `row` of the segment finds the key of position j.
int64_t slot_of(const Attention& a, const AttentionSegment& segment, int64_t row, int64_t j) {
  if (segment.committed >= 0 && j >= segment.committed) {
    return a.tails
        .as<int32_t>()[segment.tail_begin + row * segment.tail_stride + j - segment.committed];
  }
  const int64_t page = a.pages.as<int32_t>()[segment.page_begin + j / kKvBlockTokens];
  return page * kKvBlockTokens + j % kKvBlockTokens;
}

// The softmax of one row and head while it passes over the tiles of a span.
struct Running {
  float maximum = kNowhere;
  LaneSum sum;
  std::vector<float> out;  // [Dh]

  explicit Running(size_t Dh) : out(Dh, 0.0f) {}
};

// The same over all spans so far.
struct Whole {
  float maximum = kNowhere;
  float sum = 0.0f;
  std::vector<float> out;  // [Dh]

  explicit Whole(size_t Dh) : out(Dh, 0.0f) {}

  void join(const Running& span) {
    const float raised = span.maximum > maximum ? span.maximum : maximum;
    const float mine = exp_f32(maximum - raised), theirs = exp_f32(span.maximum - raised);
    maximum = raised;
    sum = std::fma(span.sum.total(), theirs, sum * mine);
    for (size_t d = 0; d < out.size(); ++d) out[d] = std::fma(span.out[d], theirs, out[d] * mine);
  }
};

// The biases of the tile's keys from position `begin` on for one row and head; null without any.
const float* biases(const Attention& a, const AttentionSegment& segment, int64_t row, int64_t h,
                    int64_t begin) {
  if (a.relative_bias.empty()) return nullptr;
  const int64_t P = (a.relative_bias.dim(1) + 1) / 2;
  CHECK_LT(row, P);
  CHECK_LT(a.positions.as<int32_t>()[segment.row_begin + row], P);
  return a.relative_bias.row<float>(h) + begin - row + P - 1;
}

// slots[j] is the KV slot of the tile's key j, or -1 where it is absent; `bias` as `biases` gives
// it.
void add_tile(const Attention& a, int64_t t, int64_t h, const float* bias,
              const std::array<int64_t, kAttentionTile>& slots, Running& running) {
  const PageIndex index(a.k_pages);
  const DType dtype = a.q.dtype;
  const int64_t kv_head = h / (a.q.dim(1) / index.Hkv);
  const auto dot = [&](float from, int64_t K, auto&& x, auto&& w) {
    return dtype == DType::kBf16 ? dot_bf16(from, K, x, w) : dot_f32(from, K, x, w);
  };
  std::array<float, kAttentionTile> p;
  float maximum = running.maximum;
  for (int j = 0; j < kAttentionTile; ++j) {
    p[j] = kNowhere;
    if (slots[j] < 0) continue;
    const float score = dot(
        0.0f, index.Dh,
        [&](int64_t d) {
          return load_element(a.q.data, dtype, t * a.q.stride[0] + h * a.q.stride[1] + d);
        },
        [&](int64_t d) {
          return load_element(a.k_pages.data, dtype, index.k(slots[j], kv_head, d));
        });
    p[j] = bias == nullptr ? a.scale * score : std::fma(a.scale, score, bias[j]);
    maximum = p[j] > maximum ? p[j] : maximum;
  }
  const float rescale = exp_f32(running.maximum - maximum);
  running.maximum = maximum;
  running.sum.scale(rescale);
  for (int j = 0; j < kAttentionTile; ++j) {
    p[j] = slots[j] < 0 ? 0.0f : rounded(exp_f32(p[j] - maximum), dtype);
    running.sum.add(j, p[j]);
  }
  for (int64_t d = 0; d < index.Dh; ++d) {
    const auto v = [&](int64_t j) {
      return slots[j] < 0 ? 0.0f
                          : load_element(a.v_pages.data, dtype, index.v(slots[j], kv_head, d));
    };
    running.out[d] = dot(
        running.out[d] * rescale, kAttentionTile, [&](int64_t j) { return p[j]; }, v);
  }
}

// Adds the tiles of the span that begins at position `begin`; false if none has a visible key.
bool add_span(const Attention& a, const AttentionSegment& segment, int64_t row, int64_t h,
              int64_t begin, Running& running) {
  const int64_t t = segment.row_begin + row;
  const int64_t i = a.positions.as<int32_t>()[t];
  bool any_tile = false;
  for (int64_t tile = begin; tile < begin + kAttentionSpan && tile <= i; tile += kAttentionTile) {
    std::array<int64_t, kAttentionTile> slots;
    bool any = false;
    for (int64_t j = tile; j < tile + kAttentionTile; ++j) {
      const bool present = visible(a.spec, i, j);
      slots[j - tile] = present ? slot_of(a, segment, row, j) : -1;
      any |= present;
    }
    if (any) add_tile(a, t, h, biases(a, segment, row, h, tile), slots, running);
    any_tile |= any;
  }
  return any_tile;
}

void attend(const Attention& a, const AttentionSegment& segment, int64_t row, int64_t h) {
  const int64_t t = segment.row_begin + row;
  const int64_t i = a.positions.as<int32_t>()[t];
  const size_t Dh = static_cast<size_t>(a.q.dim(2));
  Whole whole(Dh);
  for (int64_t begin = 0; begin <= i; begin += kAttentionSpan) {
    Running span(Dh);
    if (add_span(a, segment, row, h, begin, span)) whole.join(span);
  }
  for (size_t d = 0; d < Dh; ++d) {
    const int64_t at = t * a.out.stride[0] + h * a.out.stride[1] + static_cast<int64_t>(d);
    store_element(a.out.data, a.out.dtype, at, whole.out[d] / whole.sum + 0.0f);
  }
  if (!a.lse.empty()) a.lse.row<float>(t)[h] = whole.maximum + log_f32(whole.sum);
}

}  // namespace

Progress attention(Execution&, const Attention& a) {
  for (int s = 0; s < a.segment_count; ++s) {
    const AttentionSegment& segment = a.segments.as<AttentionSegment>()[s];
    for (int64_t row = 0; row < segment.row_count; ++row) {
      for (int64_t h = 0; h < a.q.dim(1); ++h) attend(a, segment, row, h);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
