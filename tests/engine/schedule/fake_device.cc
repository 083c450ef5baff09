#include "engine/schedule/fake_device.h"

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

constexpr KvHash kGarbage = 0xDEADDEADDEADDEAD;

uint64_t mix(uint64_t value) {
  value ^= value >> 33;
  value *= 0xFF51AFD7ED558CCDull;
  value ^= value >> 33;
  value *= 0xC4CEB9FE1A85EC53ull;
  return value ^ (value >> 33);
}

// The rule of AttentionSpec, in its own words.
bool visible(const GroupSpec& spec, int64_t query, int64_t key) {
  if (key > query) return false;
  if (spec.window_tokens == 0 || query - key < spec.window_tokens) return true;
  if (key < spec.sink_tokens) return true;
  return spec.block_stride > 0 && (key / spec.block_tokens) % spec.block_stride == 0;
}

std::vector<KvHash> prefix_hashes(const FakeSequence& seq, const std::vector<int32_t>& tokens) {
  std::vector<KvHash> hashes;
  KvHash hash = hash_start(seq.name_space);
  for (size_t position = 0; position < tokens.size(); ++position) {
    const bool as_prompt = static_cast<int64_t>(position) < seq.outputs_differ_from;
    hash = hash_token(hash, tokens[position], as_prompt);
    hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace

KvHash hash_token(KvHash before, int32_t token, bool as_prompt) {
  return mix(before * 31 + static_cast<uint64_t>(token) * 2 + (as_prompt ? 1 : 0));
}

KvHash hash_start(const std::string& name_space) {
  KvHash hash = 7;
  for (const char letter : name_space) hash = mix(hash + static_cast<unsigned char>(letter));
  return hash;
}

int32_t next_token(KvHash prefix, uint64_t output_seed) {
  return static_cast<int32_t>(mix(prefix ^ mix(output_seed)) % 3);
}

std::vector<int32_t> expected_outputs(const FakeSequence& seq, int64_t count) {
  std::vector<int32_t> outputs;
  KvHash hash = prefix_hashes(seq, seq.prompt).back();
  auto position = static_cast<int64_t>(seq.prompt.size());
  while (static_cast<int64_t>(outputs.size()) < count) {
    outputs.push_back(next_token(hash, seq.output_seed));
    hash = hash_token(hash, outputs.back(), position++ < seq.outputs_differ_from);
  }
  return outputs;
}

FakeDevice::FakeDevice(const LedgerShape& shape)
    : shape_(shape.cache), states_(shape.state_slots, kGarbage) {
  for (const int64_t blocks : shape_.blocks) slots_.emplace_back(blocks * kBlockTokens, kGarbage);
}

std::vector<std::vector<int32_t>> FakeDevice::run(const FakeStep& step,
                                                  std::vector<std::string>& wrong) {
  for (const PageCopy& copy : step.copies) {
    std::vector<KvHash>& slots = slots_[copy.group];
    std::copy_n(slots.begin() + copy.from * kBlockTokens, kBlockTokens,
                slots.begin() + copy.to * kBlockTokens);
  }
  // Copies read before any of them writes.
  std::vector<KvHash> copied;
  for (const StateCopy& copy : step.state_copies) copied.push_back(states_[copy.from]);
  for (size_t copy = 0; copy < copied.size(); ++copy) {
    states_[step.state_copies[copy].to] = copied[copy];
  }
  std::vector<std::vector<int32_t>> tokens;
  for (const FakeSegment& segment : step.segments) tokens.push_back(run_segment(segment, wrong));
  return tokens;
}

std::vector<int32_t> FakeDevice::run_segment(const FakeSegment& segment,
                                             std::vector<std::string>& wrong) {
  const Grant& grant = segment.grant;
  std::vector<int32_t> known = segment.tokens;
  if (grant.token_in_flight) known.push_back(drawn_.at(grant.sequence));
  const bool verify = grant.kind == RowKind::kVerify;
  const int64_t rows_known = verify ? 1 : grant.rows;
  known.resize(grant.position + rows_known);
  std::vector<KvHash> prefix = prefix_hashes(*segment.seq, known);
  for (int64_t row = 0; row < grant.rows; ++row) {
    store(segment, grant.position + row,
          row < rows_known ? prefix[grant.position + row] : kGarbage);
  }
  check_visible(segment, prefix, grant.position, wrong);
  check_visible(segment, prefix, grant.position + rows_known - 1, wrong);
  const StateSlots& slots = segment.slots;
  if (slots.current != kNoSlot) {
    check_state(segment, prefix, wrong);
    states_[slots.current] = prefix.back();
    for (const SlotId draft : slots.drafts) states_[draft] = kGarbage;
  }
  if (!grant.samples) return {};

  // Accepted drafts were right: each is what would have been drawn. Their rows' KV moves into
  // place.
  std::vector<int32_t> drawn;
  KvHash hash = prefix.back();
  for (size_t depth = 0; depth <= segment.path.size(); ++depth) {
    const int64_t position = grant.position + static_cast<int64_t>(depth);
    if (depth > 0) {
      const bool as_prompt = position < segment.seq->outputs_differ_from;
      hash = hash_token(hash, drawn.back(), as_prompt);
      store(segment, position, hash);
      if (!slots.drafts.empty()) states_[slots.drafts[segment.path[depth - 1] - 1]] = hash;
    }
    if (!verify) hash = prefix.back();
    drawn.push_back(next_token(hash, segment.seq->output_seed));
  }
  if (!segment.path.empty() && !slots.drafts.empty()) {
    states_[slots.current] = states_[slots.drafts[segment.path.back() - 1]];
  }
  drawn_[grant.sequence] = drawn.back();
  return drawn;
}

void FakeDevice::import(const FakeSegment& segment) {
  const std::vector<KvHash> prefix = prefix_hashes(*segment.seq, segment.tokens);
  for (size_t position = 0; position + 1 < prefix.size(); ++position) {
    store(segment, static_cast<int64_t>(position), prefix[position]);
  }
  if (segment.slots.current != kNoSlot) states_[segment.slots.current] = *(prefix.end() - 2);
}

// A sequence begins without a state and goes on from the one after the position before.
void FakeDevice::check_state(const FakeSegment& segment, const std::vector<KvHash>& prefix,
                             std::vector<std::string>& wrong) const {
  const int64_t position = segment.grant.position;
  if (position == 0 || states_[segment.slots.current] == prefix[position - 1]) return;
  wrong.push_back(
      absl::StrCat("sequence ", segment.grant.sequence, " at ", position, " finds a wrong state"));
}

void FakeDevice::check_visible(const FakeSegment& segment, const std::vector<KvHash>& prefix,
                               int64_t position, std::vector<std::string>& wrong) const {
  for (size_t group = 0; group < slots_.size(); ++group) {
    if (position >= segment.ends[group]) continue;
    for (int64_t key = 0; key <= position; ++key) {
      if (!visible(shape_.groups[group], position, key)) continue;
      const int32_t slot = kv_slot(segment.tables[group], key);
      if (slot < 0 || slots_[group][slot] != prefix[key]) {
        wrong.push_back(absl::StrCat("sequence ", segment.grant.sequence, " at ", position,
                                     " sees in group ", group, slot < 0 ? " no" : " a wrong",
                                     " position ", key));
        return;
      }
    }
  }
}

void FakeDevice::store(const FakeSegment& segment, int64_t position, KvHash hash) {
  for (size_t group = 0; group < slots_.size(); ++group) {
    if (position >= segment.ends[group]) continue;
    const int32_t slot = kv_slot(segment.tables[group], position);
    if (slot >= 0) slots_[group][slot] = hash;
  }
}

}  // namespace tessera
