// Pyramid Attention Broadcast (Zhao, Jin, Wang, You, 2024). In the middle of a trajectory attention
// outputs change little from step to step, cross-attention least, then temporal, then spatial:
// inside a window of timesteps each kind computes every n-th step, counted from step 0, and its
// output is added again in between. MLPs of listed blocks may be reused for some steps after listed
// timesteps.
#include "engine/branch/policies/pab.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

// Lists are of tens of entries.
constexpr size_t kListBytesMax = 4096;
constexpr int kBlockMax = 1000;

absl::Status bad_list(const char* field, const std::string& text, const char* example) {
  return absl::InvalidArgumentError(concat("pab.", field, " is \"",
                                           absl::CHexEscape(text.substr(0, 64)),
                                           "\", must be like \"", example, '"'));
}

absl::StatusOr<std::set<int>> parse_timesteps(const std::string& text) {
  std::set<int> timesteps;
  if (text.empty()) return timesteps;
  for (absl::string_view part : absl::StrSplit(text.substr(0, kListBytesMax), ',')) {
    int timestep = 0;
    if (!absl::SimpleAtoi(part, &timestep) || timestep < 0 || text.size() > kListBytesMax) {
      return bad_list("mlp_timesteps", text, "720,640,560");
    }
    timesteps.insert(timestep);
  }
  return timesteps;
}

absl::StatusOr<std::set<int>> parse_blocks(const std::string& text) {
  std::set<int> blocks;
  if (text.empty()) return blocks;
  for (absl::string_view part : absl::StrSplit(text.substr(0, kListBytesMax), ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(part, '-');
    int first = 0, last = 0;
    if (ends.size() > 2 || text.size() > kListBytesMax || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first < 0 || last < first || last > kBlockMax) {
      return bad_list("mlp_blocks", text, "0-4,7");
    }
    for (int block = first; block <= last; ++block) blocks.insert(block);
  }
  return blocks;
}

const BroadcastWindow* window_of(const PabParams& params, SiteKind kind) {
  switch (kind) {
    case SiteKind::kSelf:
    case SiteKind::kJoint:
      return &params.spatial;
    case SiteKind::kTemporal:
      return &params.temporal;
    case SiteKind::kCross:
      return &params.cross;
    case SiteKind::kMlp:
    case SiteKind::kMlpContext:
      return nullptr;
  }
  return nullptr;
}

// For each site the place of its block among those of its kind, temporal or not: how blocks of
// video networks are counted that alternate the two.
std::vector<int> places_of(const CacheModel& model) {
  std::array<std::vector<int>, 2> blocks;
  std::vector<int> places;
  bool temporal = false;
  for (const CacheSite& site : model.sites) {
    const bool mlp = site.kind == SiteKind::kMlp || site.kind == SiteKind::kMlpContext;
    if (!mlp && site.kind != SiteKind::kCross) temporal = site.kind == SiteKind::kTemporal;
    std::vector<int>& seen = blocks[temporal ? 1 : 0];
    if (seen.empty() || seen.back() != site.block) seen.push_back(site.block);
    places.push_back(static_cast<int>(seen.size()) - 1);
  }
  return places;
}

// Steps that reuse MLPs: the `skip` ones after each listed timestep. Reports timesteps that no step
// has.
std::vector<bool> mlp_reuse(const std::set<int>& timesteps, int64_t skip, CachePlan& plan,
                            const CacheJob& job) {
  std::vector<bool> reuse(job.steps(), false);
  std::set<int> unmatched = timesteps;
  int64_t left = 0;
  for (int step = 0; step < job.steps(); ++step) {
    const auto timestep = static_cast<int>(job.timesteps[step]);
    if (timesteps.contains(timestep)) {
      unmatched.erase(timestep);
      left = skip;
    } else if (left > 0) {
      reuse[step] = true;
      --left;
    }
  }
  for (int timestep : unmatched) {
    plan.notes.push_back(
        concat("pab.mlp_timesteps: ", timestep, " is not among the timesteps of this job"));
  }
  return reuse;
}

}  // namespace

MadeCachePolicy Pab::make(const PabParams& params, const CacheModel& model, const CacheJob& job) {
  const absl::StatusOr<std::set<int>> timesteps = parse_timesteps(params.mlp_timesteps);
  if (!timesteps.ok()) return timesteps.status();
  const absl::StatusOr<std::set<int>> blocks = parse_blocks(params.mlp_blocks);
  if (!blocks.ok()) return blocks.status();
  CachePlan plan(model, job);
  plan.gated = params.gate_point == GatePoint::kPostGate;
  const std::vector<bool> reuse_mlp = mlp_reuse(*timesteps, params.mlp_skip, plan, job);
  const std::vector<int> places = places_of(model);
  for (int site = 0; site < plan.sites; ++site) {
    const BroadcastWindow* window = window_of(params, model.sites[site].kind);
    for (int step = 0; step < plan.steps; ++step) {
      const double timestep = job.timesteps[step];
      const bool reuse = window == nullptr ? reuse_mlp[step] && blocks->contains(places[site])
                                           : step % window->range != 0 && window->low < timestep &&
                                                 timestep < window->high;
      if (reuse) plan.at(site, step) = CacheVerdict::kReuse;
    }
  }
  plan.keep_what_is_reused();
  return std::make_unique<CachePolicy>(std::move(plan));
}

}  // namespace tessera
