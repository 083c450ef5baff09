// What a step may do to its segments without moving a bit of them: serve them together, and let any
// of them add at any site what an earlier step kept there.
#include <random>

#include "engine/denoisers/diffusion_policy.h"
#include "engine/denoisers/dit.h"
#include "engine/denoisers/latte.h"
#include "engine/denoisers/pixart.h"
#include "engine/denoisers/sd3.h"
#include "support/denoiser_rig.h"

namespace tessera {
namespace {

// Hands out rows of the feature store.
class Blocks {
 public:
  std::vector<int32_t> take(int64_t rows) {
    std::vector<int32_t> blocks((rows + kFeatureBlockRows - 1) / kFeatureBlockRows);
    for (int32_t& block : blocks) block = next_++;
    std::reverse(blocks.begin(), blocks.end());  // in any order
    return blocks;
  }

 private:
  int32_t next_ = 0;
};

template <class Config, class Network>
class Company {
 public:
  explicit Company(const std::string& name) : made_(name), sites_(made_.rig.denoiser().sites()) {
    for (const std::string& at : golden_cases(made_.golden)) {
      samples_.push_back(made_.rig.place(static_cast<int>(samples_.size()), made_.inputs(at)));
    }
    for (const PlannedSegment& sample : samples_) plain_.push_back(step({sample})[0]);
  }

  void serve_together() {
    const std::vector<DenoiserStages> together = step(samples_);
    for (size_t which = 0; which < samples_.size(); ++which) expect_plain(together, which);
  }

  void reuse_at_random() {
    Blocks blocks;
    std::vector<PlannedSegment> keeping = samples_;
    for (PlannedSegment& sample : keeping) {
      for (const DenoiserSite& site : sites_) {
        const DenoiseSegment& segment = sample.segment;
        SiteDecision decision{FeatureVerdict::kComputeAndKeep, false, {}};
        decision.blocks = blocks.take(site.context ? segment.context_count : segment.row_count);
        sample.sites.push_back(decision);
      }
    }
    const std::vector<DenoiserStages> kept = step(keeping);
    for (size_t which = 0; which < keeping.size(); ++which) expect_plain(kept, which);
    std::mt19937 random(5);
    for (int round = 0; round < 25; ++round) {
      std::vector<PlannedSegment> mixed;
      for (size_t which = 0; which < keeping.size(); ++which) {
        mixed.push_back(keeping[which]);
        const double reuse = static_cast<double>(random() % 5) / 4;
        bool reuses = false;
        for (size_t site = 0; site < sites_.size(); ++site) {
          SiteDecision& decision = mixed.back().sites[site];
          // Streams that meet decide as one.
          const bool twin = sites_[site].layout == RowLayout::kJoint && sites_[site].context;
          if (!twin) reuses = std::uniform_real_distribution<>()(random) < reuse;
          decision.verdict = reuses ? FeatureVerdict::kReuse : FeatureVerdict::kCompute;
          if (!reuses) decision.blocks.clear();
        }
      }
      const std::vector<DenoiserStages> got = step(mixed);
      for (size_t which = 0; which < got.size(); ++which) expect_plain(got, which);
    }
  }

  // A range's sum of additions is rounded, so a reused one is near.
  void reuse_ranges() {
    const int last = made_.rig.denoiser().block_count() - 1;
    for (const auto& [first, end] : {std::pair(0, 0), std::pair(0, last), std::pair(last, last)}) {
      Blocks blocks;
      std::vector<PlannedSegment> keeping = samples_;
      for (PlannedSegment& sample : keeping) {
        sample.ranges.push_back(
            {first, end, FeatureVerdict::kComputeAndKeep,
             blocks.take(sample.segment.row_count + sample.segment.context_count)});
      }
      const std::vector<DenoiserStages> kept = step(keeping);
      for (size_t which = 0; which < keeping.size(); ++which) expect_plain(kept, which);
      std::vector<PlannedSegment> reusing = keeping;
      for (size_t which = 0; which < reusing.size(); which += 2) {
        reusing[which].ranges[0].verdict = FeatureVerdict::kReuse;
        for (const DenoiserSite& site : sites_) {
          const bool inside = site.block >= first && site.block <= end;
          reusing[which].sites.push_back(
              {inside ? FeatureVerdict::kSkip : FeatureVerdict::kCompute, false, {}});
        }
      }
      const std::vector<DenoiserStages> got = step(reusing);
      for (size_t which = 0; which < got.size(); ++which) {
        EXPECT_LT(worst_sigma(got[which].output, plain_[which].output), 1e-4)
            << "blocks " << first << " to " << end << ", sample " << which;
        if (which % 2 == 1) expect_plain(got, which);
      }
    }
  }

 private:
  std::vector<DenoiserStages> step(std::vector<PlannedSegment> segments) {
    return made_.rig.step({std::move(segments)});
  }
  void expect_plain(const std::vector<DenoiserStages>& got, size_t which) const {
    EXPECT_EQ(got[which].output, plain_[which].output) << "sample " << which;
    EXPECT_EQ(got[which].block, plain_[which].block) << "sample " << which;
  }

  GoldenDenoiser<Config, Network> made_;
  const std::vector<DenoiserSite> sites_;
  std::vector<PlannedSegment> samples_;
  std::vector<DenoiserStages> plain_;
};

template <class Config, class Network>
void check_company(const std::string& name) {
  Company<Config, Network> company(name);
  company.serve_together();
  company.reuse_at_random();
  company.reuse_ranges();
}

TEST(Company, MovesNoBitOfDit) { check_company<DitConfig, Dit>("dit"); }
TEST(Company, MovesNoBitOfPixArt) { check_company<PixArtConfig, PixArt>("pixart"); }
TEST(Company, MovesNoBitOfPixArtWithSizes) { check_company<PixArtConfig, PixArt>("pixart_sizes"); }
TEST(Company, MovesNoBitOfLatte) { check_company<LatteConfig, Latte>("latte"); }
TEST(Company, MovesNoBitOfSd3) { check_company<Sd3Config, Sd3>("sd3"); }
TEST(Company, MovesNoBitOfSd3WithDualAttention) { check_company<Sd3Config, Sd3>("sd3_dual"); }
TEST(Company, MovesNoBitOfTheDiffusionPolicy) {
  check_company<DiffusionPolicyConfig, DiffusionPolicy>("policy");
}

}  // namespace
}  // namespace tessera
