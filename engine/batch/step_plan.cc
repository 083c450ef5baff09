#include "engine/batch/step_plan.h"

#include <cstring>
#include <type_traits>

namespace tessera {
namespace {

constexpr uint32_t kMagic = 0x54535032;  // "TSP2": bumped with the layout

// One visitor lists the fields once, for writing and for reading.
template <class Archive, class Plan>
void visit(Archive& archive, Plan& plan) {
  archive.value(plan.id);
  archive.array(plan.references);
  archive.array(plan.slots);
  archive.array(plan.positions);
  archive.array(plan.cached_tokens);
  archive.array(plan.cached_slots);
  archive.array(plan.cached_positions);
  archive.array(plan.segments);
  archive.list(plan.groups, [](Archive& inner, auto& group) {
    inner.array(group.kv_slots);
    inner.array(group.page_begin);
    inner.array(group.pages);
    inner.array(group.tail_begin);
    inner.array(group.tail_stride);
    inner.array(group.tails);
    inner.array(group.node_slots);
    inner.array(group.copy_from);
    inner.array(group.copy_to);
  });
  archive.array(plan.states.from);
  archive.array(plan.states.to);
  archive.array(plan.states.node_slots);
  archive.array(plan.states.copy_from);
  archive.array(plan.states.copy_to);
  archive.list(plan.verdicts, [](Archive& inner, auto& row) { inner.array(row); });
  archive.array(plan.logit_rows);
  archive.array(plan.samples);
  archive.array(plan.paths);
  archive.array(plan.bias_ids);
  archive.array(plan.bias_values);
  archive.array(plan.trees);
  archive.array(plan.parents);
  archive.array(plan.node_tokens);
}

class Writer {
 public:
  template <class T>
  void value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof(T));
  }
  template <class T>
  void array(const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    value(static_cast<uint64_t>(values.size()));
    const auto* raw = reinterpret_cast<const std::byte*>(values.data());
    bytes.insert(bytes.end(), raw, raw + values.size() * sizeof(T));
  }
  template <class T, class Each>
  void list(const std::vector<T>& items, Each each) {
    value(static_cast<uint64_t>(items.size()));
    for (const T& item : items) each(*this, item);
  }
  std::vector<std::byte> bytes;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class T>
  void value(T& value) {
    if (rest_.size() < sizeof(T)) return fail();
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
  }
  template <class T>
  void array(std::vector<T>& values) {
    uint64_t count = 0;
    value(count);
    if (failed_ || count > rest_.size() / sizeof(T)) return fail();
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), rest_.data(), count * sizeof(T));
    rest_ = rest_.subspan(count * sizeof(T));
  }
  template <class T, class Each>
  void list(std::vector<T>& items, Each each) {
    uint64_t count = 0;
    value(count);
    if (failed_ || count > rest_.size() / sizeof(uint64_t)) return fail();
    items.resize(count);
    for (T& item : items) {
      if (failed_) return;
      each(*this, item);
    }
  }
  bool complete() const { return !failed_ && rest_.empty(); }

 private:
  void fail() {
    failed_ = true;
    rest_ = {};
  }
  std::span<const std::byte> rest_;
  bool failed_ = false;
};

absl::Status bad(const std::string& what) {
  return absl::InvalidArgumentError("step plan: " + what);
}

absl::Status validate_group(const StepPlan& plan, const GroupPlan& group) {
  const size_t segments = plan.segments.size();
  if (group.kv_slots.size() != plan.references.size()) return bad("kv_slots is not one per row");
  if (group.page_begin.size() != segments || group.tail_begin.size() != segments ||
      group.tail_stride.size() != segments) {
    return bad("page_begin, tail_begin, tail_stride are not one per segment");
  }
  if (group.copy_from.size() != group.copy_to.size()) return bad("copies are not pairs");
  if (group.node_slots.size() != plan.parents.size()) return bad("node_slots is not one per node");
  for (size_t index = 0; index < segments; ++index) {
    const Segment& segment = plan.segments[index];
    const int64_t last_position = plan.positions[segment.row_begin + segment.row_count - 1];
    const int64_t pages_end = group.page_begin[index] + last_position / kKvBlockTokens + 1;
    const bool stored = group.kv_slots[segment.row_begin] >= 0;
    if (group.page_begin[index] < 0 ||
        (stored && pages_end > static_cast<int64_t>(group.pages.size()))) {
      return bad("pages end before the segment's last position");
    }
    const int64_t tails_end =
        group.tail_begin[index] + int64_t{group.tail_stride[index]} * segment.row_count;
    if (group.tail_begin[index] < 0 || group.tail_stride[index] < 0 ||
        (segment.committed >= 0 && tails_end > static_cast<int64_t>(group.tails.size()))) {
      return bad("tails end before the segment's last row");
    }
  }
  return absl::OkStatus();
}

// Every slot one that may exist, and one for whatever leaves a state.
absl::Status validate_states(const StepPlan& plan) {
  const StatePlan& states = plan.states;
  const bool none = states.from.empty() && states.to.empty() && states.node_slots.empty();
  if (states.copy_from.size() != states.copy_to.size()) return bad("state copies are not pairs");
  if (!none &&
      (states.from.size() != plan.segments.size() || states.to.size() != plan.segments.size())) {
    return bad("state slots are not one per segment");
  }
  if (!none && states.node_slots.size() != plan.parents.size()) {
    return bad("state slots are not one per node");
  }
  for (int32_t slot : states.from) {
    if (slot < -1) return bad("negative state slot");
  }
  for (const auto* slots : {&states.to, &states.node_slots, &states.copy_from, &states.copy_to}) {
    for (int32_t slot : *slots) {
      if (slot < 0) return bad("negative state slot");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::byte> serialize(const StepPlan& plan) {
  Writer writer;
  writer.value(kMagic);
  visit(writer, plan);
  return std::move(writer.bytes);
}

absl::StatusOr<StepPlan> parse_step_plan(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  uint32_t magic = 0;
  reader.value(magic);
  if (magic != kMagic) return bad("not a step plan of this version");
  StepPlan plan;
  visit(reader, plan);
  if (!reader.complete()) return bad("truncated or too long");
  if (absl::Status status = validate(plan); !status.ok()) return status;
  return plan;
}

absl::Status validate(const StepPlan& plan) {
  const int64_t rows = plan.rows();
  if (plan.slots.size() != plan.references.size() ||
      plan.positions.size() != plan.references.size()) {
    return bad("slots and positions are not one per row");
  }
  if (plan.cached_slots.size() != plan.cached_tokens.size() ||
      plan.cached_positions.size() != plan.cached_tokens.size()) {
    return bad("cached token arrays differ in length");
  }
  int64_t next_row = 0;
  for (const Segment& segment : plan.segments) {
    if (segment.row_begin != next_row || segment.row_count <= 0) {
      return bad("segments do not cover the rows in order");
    }
    next_row += segment.row_count;
    if (next_row > rows) return bad("segments end after the last row");
    if (segment.verdict_row < 0 ||
        segment.verdict_row >= static_cast<int64_t>(plan.verdicts.size())) {
      return bad("verdict_row is outside verdicts");
    }
    if (segment.node_begin < -1 ||
        (segment.node_begin >= 0 && segment.node_begin + int64_t{segment.row_count} >
                                        static_cast<int64_t>(plan.parents.size()))) {
      return bad("segment refers outside the tree nodes");
    }
  }
  if (next_row != rows) return bad("segments end before the last row");
  for (const auto& row : plan.verdicts) {
    if (row.size() != plan.verdicts.front().size()) return bad("verdict rows differ in length");
  }
  for (int32_t position : plan.positions) {
    if (position < 0) return bad("negative position");
  }
  for (const GroupPlan& group : plan.groups) {
    if (absl::Status status = validate_group(plan, group); !status.ok()) return status;
  }
  if (absl::Status status = validate_states(plan); !status.ok()) return status;
  for (int32_t row : plan.logit_rows) {
    if (row < 0 || row >= rows) return bad("logit row outside the step");
  }
  for (const SampleRow& sample : plan.samples) {
    if (sample.logits_row < 0 ||
        sample.logits_row >= static_cast<int64_t>(plan.logit_rows.size()) ||
        sample.path_begin < 0 || sample.path_count < 0 || sample.bias_begin < 0 ||
        sample.bias_count < 0 ||
        sample.path_begin + int64_t{sample.path_count} > static_cast<int64_t>(plan.paths.size()) ||
        sample.bias_begin + int64_t{sample.bias_count} >
            static_cast<int64_t>(plan.bias_ids.size())) {
      return bad("sample row refers outside its arrays");
    }
  }
  if (plan.bias_ids.size() != plan.bias_values.size()) return bad("bias arrays differ in length");
  if (plan.parents.size() != plan.node_tokens.size()) return bad("node arrays differ in length");
  for (const VerifyTree& tree : plan.trees) {
    if (tree.node_count < 1 || tree.node_count > Verify::kMaxPath || tree.node_begin < 0 ||
        tree.node_begin + int64_t{tree.node_count} > static_cast<int64_t>(plan.parents.size()) ||
        tree.row_begin < 0 ||
        tree.row_begin + int64_t{tree.node_count} > static_cast<int64_t>(plan.samples.size())) {
      return bad("tree refers outside its arrays");
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
