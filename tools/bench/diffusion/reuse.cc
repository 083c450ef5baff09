#include "tools/bench/diffusion/reuse.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace tessera {
namespace {

bool ran(char letter) { return letter == 'C' || letter == 'K'; }

// Sums over words: one sample in one step.
struct Sums {
  std::map<SiteKind, double> left_out, executions;
  double words = 0, unguided = 0, time = 0, site_time = 0, operations = 0;
};

absl::Status add_word(absl::string_view word, const NetworkWork& work, const StepShares& shares,
                      Sums& sums) {
  const bool unguided = absl::EndsWith(word, ":c");
  const absl::string_view letters = word.substr(0, word.find_first_of("|:"));
  if (letters.size() != work.sites.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a trace of ", letters.size(), " branches, the network has ", work.sites.size()));
  }
  double time = shares.other, site_time = 0, operations = work.other_operations;
  for (size_t site = 0; site < letters.size(); ++site) {
    const SiteKind kind = work.sites[site].kind;
    sums.executions[kind] += 1;
    if (!ran(letters[site])) {
      sums.left_out[kind] += 1;
      continue;
    }
    site_time += shares.sites[site];
    operations += work.sites[site].operations;
  }
  const double weight = unguided ? 0.5 : 1;
  sums.words += 1;
  sums.unguided += unguided;
  sums.time += weight * (time + site_time);
  sums.site_time += weight * site_time;
  sums.operations += weight * operations;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Reuse> reuse_of(const std::vector<std::string>& trace, const NetworkWork& work,
                               const StepShares& shares) {
  Sums sums;
  for (const std::string& step : trace) {
    for (const absl::string_view word : absl::StrSplit(step, ' ')) {
      if (absl::Status added = add_word(word, work, shares, sums); !added.ok()) return added;
    }
  }
  if (sums.words == 0) return absl::InvalidArgumentError("the trace is empty");
  Reuse reuse;
  for (const auto& [kind, executions] : sums.executions) {
    reuse.by_kind[kind] = sums.left_out[kind] / executions;
  }
  reuse.unguided = sums.unguided / sums.words;
  reuse.site_work = sums.site_time / sums.words;
  reuse.operations_ratio = work.step_operations() * sums.words / sums.operations;
  reuse.predicted_speedup = sums.words / sums.time;
  return reuse;
}

}  // namespace tessera
