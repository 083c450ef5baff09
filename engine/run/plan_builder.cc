#include "engine/run/plan_builder.h"

#include <algorithm>
#include <limits>

namespace tessera {
namespace {

int32_t slot_of(std::span<const int32_t> table, int32_t position) {
  const size_t entry = static_cast<size_t>(position) / kKvBlockTokens;
  if (entry >= table.size() || table[entry] < 0) return -1;
  return table[entry] * kKvBlockTokens + position % kKvBlockTokens;
}

}  // namespace

std::vector<int32_t> draft_depths(const Draft& draft) {
  std::vector<int32_t> depths = {0};
  for (int32_t parent : draft.parents) depths.push_back(depths[parent + 1] + 1);
  return depths;
}

PlanBuilder::PlanBuilder(StepId id, int groups, size_t sites) {
  plan_.id = id;
  plan_.groups.resize(groups);
  plan_.verdicts.push_back(std::vector<Verdict>(sites, Verdict::kRun));
}

int32_t PlanBuilder::verdict_row(const Output& output, bool of_prompt) {
  if (output.request->policy == nullptr) return 0;
  std::vector<Verdict> verdicts = output.request->policy->verdicts(of_prompt);
  const auto found = std::find(plan_.verdicts.begin(), plan_.verdicts.end(), verdicts);
  if (found != plan_.verdicts.end()) {
    return static_cast<int32_t>(found - plan_.verdicts.begin());
  }
  plan_.verdicts.push_back(std::move(verdicts));
  return static_cast<int32_t>(plan_.verdicts.size()) - 1;
}

GrantSamples PlanBuilder::add(const GrantedRows& grant, const Output& output) {
  const int32_t first_row = plan_.rows();
  const int32_t end_position = grant.first_position + grant.row_count;
  const bool verify = grant.draft != nullptr && !grant.draft->tokens.empty();
  const int32_t prompt_tokens = static_cast<int32_t>(output.request->prompt.size());
  if (verify || output.request->policy == nullptr || grant.first_position >= prompt_tokens) {
    add_segment(grant, output, 0, grant.row_count);
  } else {
    // A chunk recomputed after preemption may run from the prompt into generated tokens, whose
    // verdicts differ.
    const int32_t of_prompt = std::min(grant.row_count, prompt_tokens - grant.first_position);
    add_segment(grant, output, 0, of_prompt);
    if (of_prompt < grant.row_count) {
      add_segment(grant, output, of_prompt, grant.row_count - of_prompt);
    }
  }
  for (int32_t position = 0; position < grant.cached_tokens; ++position) {
    plan_.cached_tokens.push_back(grant.tokens[position]);
    plan_.cached_slots.push_back(grant.slot);
    plan_.cached_positions.push_back(position);
  }

  GrantSamples samples;
  const LiveRequest& request = *output.request;
  if (request.sampling.prompt_logprobs >= 0 && output.index == 0 && output.emitted == 0) {
    samples.prompt_sample_begin = static_cast<int32_t>(plan_.samples.size());
    for (int32_t row = 0; row < grant.row_count; ++row) {
      const int32_t next = grant.first_position + row + 1;
      if (next >= prompt_tokens) break;
      SampleRow forced = sample_row(grant, output, next, 0);
      forced.logits_row = static_cast<int32_t>(plan_.logit_rows.size());
      forced.forced_token = grant.tokens[next];
      forced.logprob_count = request.sampling.prompt_logprobs;
      plan_.logit_rows.push_back(first_row + row);
      plan_.samples.push_back(forced);
    }
    samples.prompt_sample_count =
        static_cast<int32_t>(plan_.samples.size()) - samples.prompt_sample_begin;
  }
  samples.sample_begin = static_cast<int32_t>(plan_.samples.size());
  if (verify) {
    add_tree(grant, samples);
    const std::vector<int32_t> depths = draft_depths(*grant.draft);
    for (int32_t row = 0; row < grant.row_count; ++row) {
      SampleRow node = sample_row(grant, output, grant.first_position + depths[row] + 1,
                                  output.emitted + depths[row]);
      node.history_count = grant.first_position + 1;
      node.path_begin = static_cast<int32_t>(plan_.paths.size());
      node.path_count = depths[row];
      plan_.paths.resize(plan_.paths.size() + depths[row]);
      for (int32_t at = row, end = static_cast<int32_t>(plan_.paths.size()); at > 0;
           at = grant.draft->parents[at - 1] + 1) {
        plan_.paths[--end] = grant.draft->tokens[at - 1];
      }
      node.logits_row = static_cast<int32_t>(plan_.logit_rows.size());
      plan_.logit_rows.push_back(first_row + row);
      plan_.samples.push_back(node);
    }
  } else if (grant.samples) {
    SampleRow last = sample_row(grant, output, end_position, output.emitted);
    last.store_last = 1;
    // The row's logits may be wanted for the prompt's log-probabilities already.
    const int32_t row = first_row + grant.row_count - 1;
    if (plan_.logit_rows.empty() || plan_.logit_rows.back() != row) plan_.logit_rows.push_back(row);
    last.logits_row = static_cast<int32_t>(plan_.logit_rows.size()) - 1;
    plan_.samples.push_back(last);
  }
  samples.sample_count = static_cast<int32_t>(plan_.samples.size()) - samples.sample_begin;
  return samples;
}

void PlanBuilder::add_segment(const GrantedRows& grant, const Output& output, int32_t begin,
                              int32_t count) {
  const bool verify = grant.draft != nullptr && !grant.draft->tokens.empty();
  const std::vector<int32_t> depths = verify ? draft_depths(*grant.draft) : std::vector<int32_t>{};
  const int32_t position = grant.first_position + begin;
  const int32_t prompt_tokens = static_cast<int32_t>(output.request->prompt.size());
  const bool of_prompt = position < prompt_tokens;
  Segment segment;
  segment.sequence = grant.sequence;
  segment.slot = grant.slot;
  segment.kind = verify      ? SegmentKind::kVerify
                 : of_prompt ? SegmentKind::kPrompt
                             : SegmentKind::kDecode;
  segment.row_begin = plan_.rows();
  segment.row_count = count;
  segment.committed = verify ? grant.first_position : -1;
  segment.node_begin = verify ? static_cast<int32_t>(plan_.parents.size()) : -1;
  segment.verdict_row = verdict_row(output, of_prompt);
  plan_.segments.push_back(segment);
  if (grant.state_slot >= 0) {
    plan_.states.from.push_back(position == 0 ? -1 : grant.state_slot);
    plan_.states.to.push_back(grant.state_slot);
  }
  for (int32_t row = 0; row < count; ++row) {
    const bool draft_row = verify && row > 0;
    plan_.positions.push_back(verify ? grant.first_position + depths[row] : position + row);
    plan_.slots.push_back(draft_row ? -1 : grant.slot);
    if (draft_row) {
      plan_.references.push_back(grant.draft->tokens[row - 1]);
    } else if (grant.token_in_flight) {
      plan_.references.push_back(-(grant.slot + 1));
    } else {
      plan_.references.push_back(grant.tokens[position + row]);
    }
  }
  add_pages(grant, begin, count);
  if (verify) {
    add_tails(grant, count);
  } else {
    for (GroupPlan& group : plan_.groups) {
      group.tail_begin.push_back(0);
      group.tail_stride.push_back(0);
    }
  }
}

void PlanBuilder::add_pages(const GrantedRows& grant, int32_t begin, int32_t count) {
  const int32_t end = grant.first_position + begin + count;
  for (size_t which = 0; which < plan_.groups.size(); ++which) {
    GroupPlan& group = plan_.groups[which];
    const std::span<const int32_t> table = grant.tables[which];
    group.page_begin.push_back(static_cast<int32_t>(group.pages.size()));
    const size_t pages = (static_cast<size_t>(end) + kKvBlockTokens - 1) / kKvBlockTokens;
    for (size_t page = 0; page < pages; ++page) {
      group.pages.push_back(page < table.size() ? table[page] : -1);
    }
    // Draft rows stand in ascending slots whatever their depth.
    for (int32_t row = 0; row < count; ++row) {
      group.kv_slots.push_back(slot_of(table, grant.first_position + begin + row));
    }
  }
}

void PlanBuilder::add_tails(const GrantedRows& grant, int32_t count) {
  const std::vector<int32_t> depths = draft_depths(*grant.draft);
  const int32_t stride = *std::max_element(depths.begin(), depths.end()) + 1;
  for (size_t which = 0; which < plan_.groups.size(); ++which) {
    GroupPlan& group = plan_.groups[which];
    group.tail_begin.push_back(static_cast<int32_t>(group.tails.size()));
    group.tail_stride.push_back(stride);
    const size_t base = group.tails.size();
    group.tails.resize(base + static_cast<size_t>(count) * stride, -1);
    for (int32_t row = 0; row < count; ++row) {
      for (int32_t at = row;; at = grant.draft->parents[at - 1] + 1) {
        group.tails[base + static_cast<size_t>(row) * stride + depths[at]] =
            slot_of(grant.tables[which], grant.first_position + at);
        if (at == 0) break;
      }
    }
  }
}

void PlanBuilder::add_tree(const GrantedRows& grant, GrantSamples& samples) {
  const int32_t nodes = grant.row_count;
  samples.tree = static_cast<int32_t>(plan_.trees.size());
  VerifyTree tree{};
  tree.row_begin = samples.sample_begin;
  tree.node_count = nodes;
  tree.node_begin = static_cast<int32_t>(plan_.parents.size());
  tree.slot = grant.slot;
  tree.committed = grant.first_position;
  plan_.trees.push_back(tree);
  for (int32_t node = 0; node < nodes; ++node) {
    plan_.parents.push_back(node == 0 ? -1 : grant.draft->parents[node - 1] + 1);
    plan_.node_tokens.push_back(node == 0 ? grant.tokens[grant.first_position]
                                          : grant.draft->tokens[node - 1]);
    for (size_t which = 0; which < plan_.groups.size(); ++which) {
      plan_.groups[which].node_slots.push_back(
          slot_of(grant.tables[which], grant.first_position + node));
    }
    if (grant.state_slot < 0) continue;
    // The root is committed whatever is accepted: its state may stay where the sequence's is.
    plan_.states.node_slots.push_back(node == 0 ? grant.state_slot : grant.draft_slots[node - 1]);
  }
}

SampleRow PlanBuilder::sample_row(const GrantedRows& grant, const Output& output, int32_t position,
                                  int64_t output_tokens) {
  const LiveRequest& request = *output.request;
  SampleRow row = sample_row_of(request.sampling, output.index);
  row.position = position;
  row.slot = grant.slot;
  row.history_count = position;
  row.prompt_count = static_cast<int32_t>(request.prompt.size());
  row.bias_begin = static_cast<int32_t>(plan_.bias_ids.size());
  for (size_t entry = 0; entry < request.sampling.bias_ids.size(); ++entry) {
    plan_.bias_ids.push_back(request.sampling.bias_ids[entry]);
    plan_.bias_values.push_back(request.sampling.bias_values[entry]);
  }
  if (output_tokens < request.min_tokens) {
    for (int32_t id : request.ban_ids) {
      plan_.bias_ids.push_back(id);
      plan_.bias_values.push_back(-std::numeric_limits<float>::infinity());
    }
  }
  row.bias_count = static_cast<int32_t>(plan_.bias_ids.size()) - row.bias_begin;
  return row;
}

void PlanBuilder::copy_page(int group, int32_t from, int32_t to) {
  plan_.groups[group].copy_from.push_back(from);
  plan_.groups[group].copy_to.push_back(to);
}

void PlanBuilder::copy_state(int32_t from, int32_t to) {
  plan_.states.copy_from.push_back(from);
  plan_.states.copy_to.push_back(to);
}

StepPlan PlanBuilder::finish() { return std::move(plan_); }

}  // namespace tessera
