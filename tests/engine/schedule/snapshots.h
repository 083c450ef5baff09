// Snapshots written by hand, for tests of the planner.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/schedule/admission_order.h"
#include "engine/schedule/plan_step.h"

namespace tessera {

inline std::unique_ptr<AdmissionOrder> make_order(const std::string& name,
                                                  const PolicyParams& params = {}) {
  return *admission_orders().make(name, params);
}

// Full attention, `available` of `total` blocks.
inline StepSnapshot snapshot_of(int64_t available, int64_t total) {
  StepSnapshot snapshot;
  snapshot.groups.push_back({.spec = {}, .available = available, .total = total});
  return snapshot;
}

inline SequenceView sequence_view(SequenceId id, int64_t next_position, int64_t fill_len) {
  SequenceView view;
  view.key.id = id;
  view.key.arrival_seconds = static_cast<double>(id);
  view.key.deadline_seconds = 1e30;
  view.next_position = next_position;
  view.fill_len = fill_len;
  view.chunk_max = fill_len - next_position;
  view.expected_tokens = fill_len;
  SequencePages pages;
  pages.pages = pages.live = pages.exclusive = pages_for(next_position);
  view.groups.push_back(pages);
  return view;
}

// Decodes at `position`; it holds the pages of all positions before.
inline SequenceView decoding(SequenceId id, int64_t position) {
  return sequence_view(id, position, position);
}

// A prompt of which `done` positions are computed.
inline SequenceView prompting(SequenceId id, int64_t done, int64_t length) {
  return sequence_view(id, done, length);
}

inline SequenceView waiting(SequenceId id, int64_t length) { return prompting(id, 0, length); }

inline const Grant* grant_of(const StepDecision& decision, SequenceId id) {
  for (const Grant& grant : decision.grants) {
    if (grant.sequence == id) return &grant;
  }
  return nullptr;
}

}  // namespace tessera
