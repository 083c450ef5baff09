#include "kernels/cpu/portable/select.h"

#include <algorithm>
#include <array>

#include "kernels/core/check.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/reference/sampling.h"

namespace tessera {
namespace {

constexpr int kBinsPerUnit = 64;
constexpr int kBins = static_cast<int>(kFarthest) * kBinsPerUnit;

struct Bin {
  int32_t begin = 0;  // in `order`
  int32_t count = 0;
  uint64_t weight = 0;
  bool sorted = false;
};

// The candidates in descending order, known by whole bins until somebody looks closer.
class Descending {
 public:
  Descending(const SampleRow& row, const Candidates& candidates, float maximum,
             std::span<int32_t> order)
      : candidates_(candidates), order_(order) {
    const auto bin_of = [&](float y) {
      if (y == maximum) return 0;
      const float distance = (maximum - y) / row.temperature * kBinsPerUnit;
      return distance < kBins - 1 ? static_cast<int>(distance) : kBins - 1;
    };
    for (size_t index = 0; index < candidates.y.size(); ++index) {
      Bin& bin = bins_[static_cast<size_t>(bin_of(candidates.y[index]))];
      ++bin.count;
      bin.weight += weight_of(candidates.probability[index]);
    }
    int32_t begin = 0;
    for (Bin& bin : bins_) {
      bin.begin = begin;
      begin += bin.count;
    }
    std::array<int32_t, kBins> next;
    for (size_t bin = 0; bin < kBins; ++bin) next[bin] = bins_[bin].begin;
    for (size_t index = 0; index < candidates.y.size(); ++index) {
      const auto bin = static_cast<size_t>(bin_of(candidates.y[index]));
      order_[static_cast<size_t>(next[bin]++)] = static_cast<int32_t>(index);
    }
  }

  int64_t size() const { return static_cast<int64_t>(order_.size()); }

  // Walks from the front. A bin of which pass_over(bin index, bin) is true is taken whole; of
  // others, take(candidate index) decides one by one, and the walk ends where it is false or at
  // `limit` candidates. Returns how many were taken.
  template <class PassOver, class Take>
  int64_t walk(int64_t limit, PassOver&& pass_over, Take&& take) {
    int64_t taken = 0;
    for (int index = 0; index < kBins && taken < limit; ++index) {
      Bin& bin = bins_[static_cast<size_t>(index)];
      if (bin.count == 0) continue;
      if (taken + bin.count <= limit && pass_over(index, bin)) {
        taken += bin.count;
        continue;
      }
      sort(bin);
      for (int32_t at = bin.begin; at < bin.begin + bin.count && taken < limit; ++at, ++taken) {
        if (!take(order_[static_cast<size_t>(at)])) return taken;
      }
    }
    return taken;
  }

 private:
  void sort(Bin& bin) {
    if (bin.sorted) return;
    bin.sorted = true;
    const auto first = order_.begin() + bin.begin;
    std::sort(first, first + bin.count, [this](int32_t a, int32_t b) {
      return Candidate{candidates_.y[a], candidates_.id[a]} <
             Candidate{candidates_.y[b], candidates_.id[b]};
    });
  }

  const Candidates& candidates_;
  std::span<int32_t> order_;
  std::array<Bin, kBins> bins_;
};

}  // namespace

std::optional<int32_t> draw_unsorted(const SampleRow& row, const Candidates& candidates,
                                     float maximum, std::span<int32_t> order) {
  CHECK_EQ(order.size(), candidates.y.size());
  Descending all(row, candidates, maximum, order);
  const auto weight = [&](int32_t index) { return weight_of(candidates.probability[index]); };
  // What is kept so far: the first `kept` candidates, and the rest behind them while `open`.
  int64_t kept = all.size();
  bool open = candidates.rest > 0;
  if (row.top_k > 0) {
    if (open && row.top_k > kept) return std::nullopt;
    kept = std::min<int64_t>(kept, row.top_k);
    open = false;
  }
  const auto kept_weight = [&] {
    uint64_t sum = open ? candidates.rest : 0;
    all.walk(
        kept,
        [&](int, const Bin& bin) {
          sum += bin.weight;
          return true;
        },
        [&](int32_t index) {
          sum += weight(index);
          return true;
        });
    return sum;
  };
  if (row.top_p < 1.0f) {
    const double wanted = static_cast<double>(row.top_p) * static_cast<double>(kept_weight());
    uint64_t sum = 0;
    bool first = true;
    const int64_t taken = all.walk(
        kept,
        [&](int, const Bin& bin) {
          if (static_cast<double>(sum + bin.weight) >= wanted) return false;
          sum += bin.weight;
          first = false;
          return true;
        },
        [&](int32_t index) {
          if (!first && static_cast<double>(sum) >= wanted) return false;
          sum += weight(index);
          first = false;
          return true;
        });
    if (taken == kept && open && static_cast<double>(sum) < wanted) return std::nullopt;
    kept = taken;
    open = false;
  }
  if (row.min_p > 0.0f) {
    bool first = true;
    const int64_t taken = all.walk(
        kept,
        [&](int index, const Bin&) {
          // Exponentials are good to an ulp; a margin of several keeps the decision with the exact
          // comparison below.
          const float lowest = exp_f32(static_cast<float>(-(index + 1)) / kBinsPerUnit);
          if (lowest * 0.999999f <= row.min_p) return false;
          first = false;
          return true;
        },
        [&](int32_t index) {
          if (!first && !(candidates.probability[index] >= row.min_p)) return false;
          first = false;
          return true;
        });
    if (taken == kept && open) return std::nullopt;
    kept = taken;
    open = false;
  }
  const uint64_t target = draw_target(row, kept_weight());
  uint64_t sum = 0;
  int32_t chosen = -1;
  all.walk(
      kept,
      [&](int, const Bin& bin) {
        if (sum + bin.weight > target) return false;
        sum += bin.weight;
        return true;
      },
      [&](int32_t index) {
        sum += weight(index);
        if (sum <= target) return true;
        chosen = index;
        return false;
      });
  if (chosen < 0) return std::nullopt;  // the target lies in the rest
  return candidates.id[chosen];
}

}  // namespace tessera
