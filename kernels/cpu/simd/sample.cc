// Sampling for vocabularies of real size. A greedy row takes two sweeps over its logits, a sampled
// one two and the draw of kernels/cpu/portable/select.h over what stands within kNear of the
// maximum (weight 4.5e-5 of its); only a draw that falls beyond pays for a list of everything. A
// row is one task.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/select.h"
#include "kernels/cpu/reference/sampling.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/sample.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

constexpr float kNear = 10.0f;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

struct Extent {
  float maximum;  // of what is a number
  bool has_nan;
};

Extent extent_of(std::span<const float> x) {
  const FloatTag d;
  FloatVec highest = hn::Set(d, kLowest);
  auto nan = hn::IsNaN(highest);
  size_t id = 0;
  for (; id + kLanes <= x.size(); id += kLanes) {
    const FloatVec one = load_row(x.data() + id);
    nan = hn::Or(nan, hn::IsNaN(one));
    highest = hn::IfThenElse(hn::Gt(one, highest), one, highest);
  }
  alignas(64) float lanes[kLanes];
  hn::Store(highest, d, lanes);
  Extent extent{kLowest, !hn::AllFalse(d, nan)};
  for (const float lane : lanes) extent.maximum = std::max(extent.maximum, lane);
  for (; id < x.size(); ++id) {
    extent.has_nan |= std::isnan(x[id]);
    if (x[id] > extent.maximum) extent.maximum = x[id];
  }
  return extent;
}

float log_sum_exp(std::span<const float> x, float maximum) {
  const FloatTag d;
  const FloatVec highest = hn::Set(d, maximum);
  VectorSum sum;
  size_t id = 0;
  for (; id + 16 <= x.size(); id += 16) {
    for (int part = 0; part < 16; part += kLanes) {
      const FloatVec one = load_row(x.data() + id + part);
      const FloatVec e = exp_vector(d, hn::Sub(one, highest));
      sum.add(part, hn::IfThenElse(hn::Eq(one, highest), hn::Set(d, 1.0f), e));
    }
  }
  LaneSum lanes = sum.lane_sum();
  for (; id < x.size(); ++id) {
    lanes.add(static_cast<int64_t>(id), relative_probability(x[id], maximum, 1.0f));
  }
  return maximum + log_f32(lanes.total());
}

int32_t first_at(std::span<const float> y, float value) {
  const FloatTag d;
  size_t id = 0;
  for (; id + kLanes <= y.size(); id += kLanes) {
    if (!hn::AllFalse(d, hn::Eq(load_row(y.data() + id), hn::Set(d, value)))) break;
  }
  while (y[id] != value) ++id;
  return static_cast<int32_t>(id);
}

// Where the candidates of a row are listed; arrays have room for a whole vector beyond the last.
struct List {
  float* y;
  int32_t* id;
  float* probability;
  size_t count;
  uint64_t rest;
};

// Sums of weight_of, exact in 64-bit integers.
class WeightSum {
 public:
  HWY_INLINE WeightSum() : sum_(hn::Zero(Bits())) {}
  HWY_INLINE void add(FloatVec probability) {
    const hn::Half<FloatTag> half;
    add_half(hn::LowerHalf(half, probability));
    add_half(hn::UpperHalf(half, probability));
  }
  HWY_INLINE uint64_t total() const {
    alignas(64) uint64_t lanes[kLanes / 2];
    hn::Store(sum_, Bits(), lanes);
    uint64_t total = 0;
    for (const uint64_t lane : lanes) total += lane;
    return total;
  }

 private:
  using Doubles = hn::Repartition<double, FloatTag>;
  using Bits = hn::RebindToUnsigned<Doubles>;

  template <class HalfVec>
  HWY_INLINE void add_half(HalfVec probability) {
    const Doubles d;
    const Bits bits;
    const auto shifted =
        hn::Add(hn::Mul(hn::PromoteTo(d, probability), hn::Set(d, 0x1p40)), hn::Set(d, 0x1p52));
    const auto zero = hn::BitCast(bits, hn::Set(d, 0x1p52));
    sum_ = hn::Add(sum_, hn::Sub(hn::BitCast(bits, shifted), zero));
  }

  hn::Vec<Bits> sum_;
};

// Lists what is nearer to the maximum than `distance`, in units of the temperature.
void collect(std::span<const float> y, float maximum, float temperature, float distance,
             List& list) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const FloatVec highest = hn::Set(d, maximum);
  WeightSum sum;
  uint64_t total = 0, listed = 0;
  list.count = 0;
  size_t id = 0;
  for (; id + kLanes <= y.size(); id += kLanes) {
    const FloatVec one = load_row(y.data() + id);
    const auto is_highest = hn::Eq(one, highest);
    const FloatVec apart = hn::Div(hn::Sub(one, highest), hn::Set(d, temperature));
    const FloatVec t = hn::IfThenZeroElse(is_highest, apart);
    // Also false where y is no number: a ban met an infinite logit.
    const auto weighs = hn::Gt(t, hn::Set(d, -kFarthest));
    if (hn::AllFalse(d, weighs)) continue;
    const FloatVec e = hn::IfThenElseZero(weighs, exp_vector(d, t));
    const FloatVec probability = hn::IfThenElse(is_highest, hn::Set(d, 1.0f), e);
    sum.add(probability);
    const auto near = hn::Gt(t, hn::Set(d, -distance));
    if (hn::AllFalse(d, near)) continue;
    hn::CompressStore(one, near, d, list.y + list.count);
    hn::CompressStore(probability, near, d, list.probability + list.count);
    list.count += hn::CompressStore(hn::Iota(di, static_cast<int32_t>(id)),
                                    hn::RebindMask(di, near), di, list.id + list.count);
  }
  total += sum.total();
  for (; id < y.size(); ++id) {
    const float t = y[id] == maximum ? 0.0f : (y[id] - maximum) / temperature;
    if (!(t > -kFarthest)) continue;
    const float probability = relative_probability(y[id], maximum, temperature);
    total += weight_of(probability);
    if (!(t > -distance)) continue;
    list.y[list.count] = y[id];
    list.probability[list.count] = probability;
    list.id[list.count++] = static_cast<int32_t>(id);
  }
  for (size_t index = 0; index < list.count; ++index) listed += weight_of(list.probability[index]);
  list.rest = total - listed;
}

void report(const Sample& a, const SampleRow& row, int64_t n, std::span<const float> x,
            float log_sum, int32_t token) {
  const FloatTag d;
  TopIds top(alternatives_of(row));
  int32_t rank = 0;
  float own = 0.0f;
  if (token >= 0 && static_cast<size_t>(token) < x.size()) {
    own = x[token];
    rank = 1;
    // Ahead are the greater, and the equal of lower id.
    size_t id = 0;
    for (; id + kLanes <= static_cast<size_t>(token); id += kLanes) {
      rank +=
          static_cast<int32_t>(hn::CountTrue(d, hn::Ge(load_row(x.data() + id), hn::Set(d, own))));
    }
    for (; id < static_cast<size_t>(token); ++id) rank += x[id] >= own;
    for (; id + kLanes <= x.size(); id += kLanes) {
      rank +=
          static_cast<int32_t>(hn::CountTrue(d, hn::Gt(load_row(x.data() + id), hn::Set(d, own))));
    }
    for (; id < x.size(); ++id) rank += x[id] > own;
  }
  if (token >= 0 && alternatives_of(row) > 0) {
    for (size_t id = 0; id < x.size(); id += kLanes) {
      const size_t end = std::min(x.size(), id + kLanes);
      if (top.full() && end == id + kLanes &&
          hn::AllFalse(d, hn::Gt(load_row(x.data() + id), hn::Set(d, top.threshold())))) {
        continue;
      }
      for (size_t one = id; one < end; ++one) top.offer(x[one], static_cast<int32_t>(one));
    }
  }
  write_report(a, row, n, log_sum, own, rank, top);
}

// The memory of one thread for one row.
struct Space {
  static constexpr size_t kArrays = 5;
  static size_t length(size_t vocab_size) { return (vocab_size + 2 * kLanes) / 16 * 16 + 16; }
  static size_t bytes(size_t vocab_size) { return kArrays * length(vocab_size) * sizeof(float); }

  Space(std::byte* memory, size_t vocab_size)
      : y(reinterpret_cast<float*>(memory)),
        list{y + length(vocab_size), nullptr, y + 2 * length(vocab_size), 0, 0},
        order(reinterpret_cast<int32_t*>(y + 3 * length(vocab_size))) {
    list.id = order + length(vocab_size);
  }

  float* y;
  List list;
  int32_t* order;  // also the counts of penalties
};

// The logits after bias and penalties; x itself where there are none.
std::span<const float> transformed(const Sample& a, const SampleRow& row, std::span<const float> x,
                                   const Space& space) {
  if (row.bias_count == 0 && !has_penalties(row)) return x;
  const std::span<float> y(space.y, x.size());
  std::copy(x.begin(), x.end(), y.begin());
  if (row.bias_count > 0) apply_bias(a, row, y);
  if (has_penalties(row)) {
    std::fill_n(space.order, x.size(), 0);
    apply_penalties(a, row, y, {space.order, x.size()});
  }
  return y;
}

int32_t choose(const SampleRow& row, std::span<const float> y, float maximum, Space& space) {
  if (maximum == kLowest) return -1;
  if (!(row.temperature > 0.0f)) return first_at(y, maximum);
  List& list = space.list;
  for (const float distance : {kNear, kFarthest}) {
    collect(y, maximum, row.temperature, distance, list);
    const Candidates candidates{
        {list.y, list.count}, {list.id, list.count}, {list.probability, list.count}, list.rest};
    const std::optional<int32_t> token =
        draw_unsorted(row, candidates, maximum, {space.order, list.count});
    if (token.has_value()) return *token;
  }
  CHECK(false);  // the second list leaves no rest
  return -1;
}

void sample_row(const Sample& a, int64_t n, std::byte* memory) {
  const auto vocab_size = static_cast<size_t>(a.vocab_size);
  const SampleRow& row = a.rows.as<SampleRow>()[n];
  const std::span<const float> x(a.logits.row<float>(row.logits_row), vocab_size);
  const Extent raw = extent_of(x);
  int32_t token = row.forced_token;
  if (raw.has_nan) {
    token = -1;
  } else if (token < 0) {
    Space space(memory, vocab_size);
    const std::span<const float> y = transformed(a, row, x, space);
    const float maximum = y.data() == x.data() ? raw.maximum : extent_of(y).maximum;
    token = choose(row, y, maximum, space);
  }
  a.tokens.as<int32_t>()[n] = token;
  if (row.logprob_count >= 0) {
    // Where logits hold a NaN nothing is reported but its absence.
    report(a, row, n, x, raw.has_nan ? 0.0f : log_sum_exp(x, raw.maximum), token);
  }
}

Progress run_sample(Execution& execution, const Sample& a) {
  const size_t bytes = Space::bytes(static_cast<size_t>(a.vocab_size));
  execution.pool().parallel_for(a.row_count, [&](int64_t n, int thread) {
    sample_row(a, n, execution.scratch(thread, bytes).data());
  });
  // In the order of rows, should two name the same slot.
  for (int n = 0; n < a.row_count; ++n) {
    const SampleRow& row = a.rows.as<SampleRow>()[n];
    if (row.store_last == 0 || row.slot < 0) continue;
    a.last_tokens.as<int32_t>()[row.slot] = a.tokens.as<int32_t>()[n];
  }
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_sample([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.sample = run_sample;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_sample);
void install_sample(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_sample)(table); }
}  // namespace tessera
#endif
