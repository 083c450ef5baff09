// The residual stream of one forward pass, and the one seam every residual branch passes. A branch
// is called with the rows that compute only; of the others, some add what an earlier step kept, the
// rest keep their bits. The output of a branch stays pending until the next normalisation, which
// folds the addition in, so it never costs a kernel of its own when all rows compute.
//
// Lives on the stack of a forward, on the engine thread; appends ops, touches no tensor memory.
#pragma once

#include <span>

#include "engine/batch/batch.h"
#include "engine/batch/site_rows.h"
#include "engine/branch/site_clock.h"
#include "kernels/ops/feature.h"
#include "kernels/ops/norm.h"

namespace tessera {

// How the input of a branch is made from the stream.
struct BranchNorm {
  enum class Kind { kRms, kLayer, kNone };
  Kind kind = Kind::kRms;
  Tensor gain, bias;  // [D] f32; bias only with kLayer, both optional there
  Tensor scale,
      shift;  // [M, D] f32 views of the modulation: normed * (1 + scale) + shift, or empty
  float epsilon = 0;

  static BranchNorm rms(const Tensor& gain, float epsilon) {
    return {Kind::kRms, gain, {}, {}, {}, epsilon};
  }
  static BranchNorm layer(const Tensor& gain, const Tensor& bias, float epsilon) {
    return {Kind::kLayer, gain, bias, {}, {}, epsilon};
  }
  static BranchNorm modulated(const Tensor& scale, const Tensor& shift, float epsilon) {
    return {Kind::kLayer, {}, {}, scale, shift, epsilon};
  }
  static BranchNorm none() { return {Kind::kNone, {}, {}, {}, {}, 0}; }
};

// A range of blocks whose whole contribution is one site: rows that keep store what the range added
// to them, rows that reuse run no block of it and add what was stored.
struct RangeSite {
  int first_block = 0, last_block = 0;
  SiteFeatures features;
};

// What a step says about every site of the stream.
struct SiteTable {
  std::span<const RowSet> row_sets;
  std::span<const int> set_of_site;        // -1 = nobody computes; empty = the first set, always
  std::span<const SiteFeatures> features;  // per site, or empty
  std::span<const RangeSite> ranges;
  Tensor store;                // [slots, D] f32, or empty
  SiteClock* clock = nullptr;  // told when sites end
};

class Residual {
 public:
  // `rows` is the stream, [T, D] f32; `normed` is scratch for normalised rows, [T, D] of activation
  // type; `epsilon` is that of the plain RMS norms.
  Residual(Stream& stream, const Batch& batch, const Tensor& rows, const Tensor& normed,
           float epsilon)
      : Residual(stream, {batch.row_sets, batch.set_of_site, {}, {}, {}, nullptr}, rows, normed) {
    epsilon_ = epsilon;
  }
  Residual(Stream& stream, const SiteTable& sites, const Tensor& rows, const Tensor& normed)
      : stream_(stream), sites_(sites), rows_(rows), normed_(normed) {}

  // Runs `branch(const RowSet&, Tensor normed [T', D]) -> Tensor delta [T', D] f32` for the rows
  // that compute at `site`. The delta must stay untouched until the next call.
  template <class Branch>
  void add(int site, const Tensor& gain, Branch&& branch) {
    add(site, BranchNorm::rms(gain, epsilon_), Tensor{}, branch);
  }
  // The same with any norm, the delta multiplied by `gate` [M, D] f32 (a view of the modulation)
  // where there is one.
  template <class Branch>
  void add(int site, const BranchNorm& norm, const Tensor& gate, Branch&& branch) {
    const RowSet* const active = computing(site);
    finish(site, active == nullptr ? Tensor{} : branch(*active, begin(*active, norm)), gate);
  }

  // The two halves of add(), for branches that share something: two streams that meet, or two
  // branches that start from the same rows (both begin before one finishes, and flush() stands
  // between the two finishes). REQUIRES: every begin() is followed by finish() of the same site,
  // but for a branch that adds nothing.
  const RowSet* computing(int site) const {
    const int set = sites_.set_of_site.empty() ? 0 : sites_.set_of_site[site];
    return set < 0 ? nullptr : &sites_.row_sets[set];
  }
  Tensor begin(const RowSet& active, const BranchNorm& norm);
  // An empty delta: nobody computed.
  void finish(int site, const Tensor& delta, const Tensor& gate);

  // Around the sites of a block: where ranges begin and end.
  void enter_block(int block);
  void leave_block(int block);

  // Adds what is pending.
  void flush();

 private:
  void put(const FeatureRows& kept, const Tensor& from, const Tensor& gate, bool minus_store);
  void add_kept(const FeatureRows& reused, const Tensor& gate);

  Stream& stream_;
  const SiteTable sites_;
  Tensor rows_;
  Tensor normed_;
  float epsilon_ = 0;
  Tensor pending_, pending_gate_;
  const RowSet* pending_set_ = nullptr;
};

}  // namespace tessera
