// Two policies over the same episodes: what can be said of the difference of their success rates.
// And the median that the reports use. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

// Episodes with the same start and the same noise, once under each policy.
class PairedSuccess {
 public:
  void add(bool baseline, bool other);

  int64_t pairs() const { return pairs_; }
  double baseline_rate() const { return rate(baseline_); }
  double other_rate() const { return rate(other_); }
  int64_t lost() const { return lost_; }      // the baseline alone succeeded
  int64_t gained() const { return gained_; }  // the other alone succeeded
  // baseline_rate - other_rate: what the other costs.
  double drop() const { return rate(lost_ - gained_); }
  // Ends of its 95 % interval: with b = lost, c = gained and n pairs,
  //   (b - c)/n +- 1.96 sqrt(b + c - (b - c)^2/n) / n,
  // the mean of the paired differences with its standard error. Without a single pair that differs
  // that is 0 wide and says too much; then the ends are +- 3/n, by the rule of three.
  double drop_low() const { return drop() - margin(); }
  double drop_high() const { return drop() + margin(); }

 private:
  double rate(int64_t count) const {
    return pairs_ == 0 ? 0 : static_cast<double>(count) / static_cast<double>(pairs_);
  }
  double margin() const;

  int64_t pairs_ = 0, baseline_ = 0, other_ = 0, lost_ = 0, gained_ = 0;
};

// The middle value, or the mean of the two middle ones; 0 of nothing.
double median_of(std::vector<double> values);

}  // namespace tessera
