// Builds the StepPlan of one step, grant by grant: rows, pages, drafts, sampling. Pure host
// arithmetic on the engine thread.
#pragma once

#include <span>
#include <vector>

#include "engine/batch/step_plan.h"
#include "engine/run/live_request.h"

namespace tessera {

// One grant of the step, with what the ledger reserved for it.
struct GrantedRows {
  SequenceId sequence = kNoSequence;
  int32_t slot = 0;
  int32_t first_position = 0;
  int32_t row_count = 0;
  bool token_in_flight = false;  // the one row's token is still being computed by the step before
  bool samples = false;          // the last row's (drafts: every row's) logits become a token
  int32_t cached_tokens = 0;     // first chunk: positions found in the prefix cache
  std::span<const int32_t> tokens;               // all known tokens of the sequence
  std::vector<std::span<const int32_t>> tables;  // per attention group: page of each 16 positions
  int32_t state_slot = -1;                       // recurrent layers; -1 = there are none
  std::span<const int32_t> draft_slots;          // the state slot of each draft
  const Draft* draft = nullptr;                  // rows beyond the first are these drafts
};

// Where the sampled tokens of a grant stand in the StepResult.
struct GrantSamples {
  int32_t sample_begin = 0;
  int32_t sample_count = 0;
  int32_t prompt_sample_begin = 0;  // log-probabilities of prompt tokens, first_position + 1 ...
  int32_t prompt_sample_count = 0;
  int32_t tree = -1;  // index into StepPlan::trees
};

class PlanBuilder {
 public:
  PlanBuilder(StepId id, int groups, size_t sites);

  GrantSamples add(const GrantedRows& grant, const Output& output);
  void copy_page(int group, int32_t from, int32_t to);
  void copy_state(int32_t from, int32_t to);
  StepPlan finish();

 private:
  int32_t verdict_row(const Output& output, bool of_prompt);
  // Appends rows [begin, begin + count) of the grant as one segment.
  void add_segment(const GrantedRows& grant, const Output& output, int32_t begin, int32_t count);
  void add_pages(const GrantedRows& grant, int32_t begin, int32_t count);
  void add_tails(const GrantedRows& grant, int32_t count);
  void add_tree(const GrantedRows& grant, GrantSamples& samples);
  SampleRow sample_row(const GrantedRows& grant, const Output& output, int32_t position,
                       int64_t output_tokens);

  StepPlan plan_;
};

// Depth of each row of a verify grant: 0 for the root, parents first.
std::vector<int32_t> draft_depths(const Draft& draft);

}  // namespace tessera
