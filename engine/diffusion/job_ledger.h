// Who holds what of a diffusion engine's memory: the float pool, modulation slots, pages of
// conditions, context rows and feature blocks. A job takes all it will ever need when it is
// admitted and gives it back once, when it ends, however it ends; feature blocks go back as soon as
// no later step needs them. Owned by the engine; engine
// thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cache/block_pool.h"
#include "engine/diffusion/float_pool.h"
#include "engine/diffusion/job.h"

namespace tessera {

struct JobPools {
  int64_t floats = 0;
  int64_t modulation_slots = 0;
  int64_t condition_pages = 0;
  int64_t context_rows = 0;
  int64_t feature_blocks = 0;
};

// What a job takes of each pool.
struct JobNeeds {
  JobPools amounts;
  // By which the needs exceed what there is at all, in words; empty when they fit.
  std::string excess(const JobPools& total) const;
};

class JobLedger {
 public:
  explicit JobLedger(const JobPools& pools);

  static JobNeeds needs(const Job& job);

  // Everything or nothing: false when something is short.
  bool admit(Job& job);
  // Takes back the feature blocks that no later step of the job needs.
  void trim(Job& job);
  // Afterwards the job holds nothing.
  void release(Job& job);

  JobPools total() const { return total_; }
  JobPools used() const;

 private:
  bool take_floats(int64_t count, int64_t& begin);
  bool take_blocks(BlockPool& pool, int64_t count, std::vector<int32_t>& blocks);
  bool take_sample(Job& job, JobSample& sample);

  const JobPools total_;
  FloatPool floats_;
  FloatPool context_;  // rows
  BlockPool modulation_, pages_, features_;
};

}  // namespace tessera
