// The CachePolicy socket of diffusion: which residual branches of a denoising network run at a
// step, and which add again what an earlier step computed. A policy object belongs to one job and
// holds no tensors. What it knows at admission is a table, [site][step]; where the table says ask,
// it answers at a declared cut of the step from what has been measured there. Made and asked on the
// engine thread; its answers for a sample depend on that sample alone, never on batch-mates.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/branch/site_kind.h"
#include "engine/branch/update_schedule.h"
#include "engine/registry/registry.h"

namespace tessera {

// One residual branch of the network. Sites are numbered in execution order.
struct CacheSite {
  int block = 0;
  SiteKind kind = SiteKind::kSelf;
  bool context = false;  // of the context stream (joint networks)
  bool adds = true;      // false: adds nothing to its stream, so there is nothing to keep
};

struct CacheModel {
  int blocks = 0;
  std::vector<CacheSite> sites{};
  std::string fingerprint{};                          // of the checkpoint
  std::map<std::string, UpdateSchedule> schedules{};  // that came with it, by name
};

struct CacheJob {
  std::vector<float> timesteps{};  // [S] as the model sees them
  std::string solver{};
  int samples = 1;

  int steps() const { return static_cast<int>(timesteps.size()); }
};

enum class CacheVerdict : uint8_t {
  kCompute,
  kComputeAndKeep,
  kReuse,  // of a range: none of its blocks run, and it adds what was kept
  kAsk,
};

// Consecutive blocks whose whole contribution to the stream is one site.
struct CacheRange {
  int first_block = 0, last_block = 0;
  friend bool operator==(const CacheRange&, const CacheRange&) = default;
};

// Where a step stops to look. Measured is the relative L1 change of what the range `probe` added to
// the stream: now, against when it was kept last. The answer holds for `range`, and `probe` is kept
// exactly where the answer is to compute and keep. Both are site numbers; their verdict is kAsk
// where they are asked about, and the blocks of `probe` always run.
struct CacheCut {
  int before_block = 0;
  int probe = 0;
  int range = 0;
};

// Sums over the image rows of one branch of a sample.
struct RangeChange {
  double difference = 0;  // sum |now - kept|
  double kept = 0;        // sum |kept|
};

struct CachePlan {
  int sites = 0;  // of the network; ranges are numbered after them
  int steps = 0;
  std::vector<CacheRange> ranges{};
  std::vector<CacheVerdict> table{};  // [sites + ranges][steps]
  std::vector<CacheCut> cuts{};
  bool gated = false;                // what is kept for a site has been multiplied by the gate
  std::vector<std::string> notes{};  // what the client should know, in words

  CachePlan() = default;
  // Everything computes.
  CachePlan(const CacheModel& model, const CacheJob& job);

  CacheVerdict at(int site, int step) const { return table[site * steps + step]; }
  CacheVerdict& at(int site, int step) { return table[site * steps + step]; }
  int all_sites() const { return sites + static_cast<int>(ranges.size()); }
  // Adds a range that computes at every step, unless it is there; its site number.
  int add_range(CacheRange range);
  // Makes the last computation before a reuse a kept one. REQUIRES: step 0 computes.
  void keep_what_is_reused();
  bool computes_everything() const;
};

// Tensors [rows of a segment, D] that a segment holds.
struct CacheFootprint {
  int image = 0;    // of image rows
  int context = 0;  // of context rows
};

// Whether something kept for `site` at or before `step` is needed after it.
bool alive_after(const CachePlan& plan, int site, int step);
// While the step runs: what earlier steps kept for it and later ones, what it keeps or may keep,
// and for each cut that is asked the probe's change of now beside the one kept.
CacheFootprint footprint_during(const CachePlan& plan, const CacheModel& model, int step);

struct CacheQuestion {
  int sample = 0;
  int step = 0;
  int cut = 0;
  std::span<const RangeChange> branches;  // that run at this step
};

class CachePolicy {
 public:
  explicit CachePolicy(CachePlan plan) : plan_(std::move(plan)) {}
  virtual ~CachePolicy() = default;

  const CachePlan& plan() const { return plan_; }
  // kCompute, kComputeAndKeep or kReuse. A policy without cuts is never asked.
  virtual CacheVerdict decide(const CacheQuestion&) { return CacheVerdict::kCompute; }

 private:
  CachePlan plan_;
};

using CachePolicies = Registry<CachePolicy, CacheModel, CacheJob>;
using MadeCachePolicy = absl::StatusOr<std::unique_ptr<CachePolicy>>;

// Whether what is kept of a gated branch includes the gate of the step that computed it.
enum class GatePoint : uint8_t { kPreGate, kPostGate };

}  // namespace tessera
