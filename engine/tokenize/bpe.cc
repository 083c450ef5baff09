#include "engine/tokenize/bpe.h"

#include <algorithm>

#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

absl::StatusOr<BpeModel> BpeModel::build(const Vocabulary& vocabulary,
                                         const std::vector<MergeRule>& merges,
                                         const BpeSettings& settings) {
  BpeModel model(vocabulary);
  model.settings_ = settings;
  if (settings.unk_token) model.unk_id_ = vocabulary.id(*settings.unk_token).value_or(-1);
  for (int byte = 0; byte < 256; ++byte) {
    model.byte_ids_[byte] = vocabulary
                                .id(concat("<0x", kHexDigits.substr(byte >> 4, 1),
                                           kHexDigits.substr(byte & 15, 1), ">"))
                                .value_or(-1);
  }
  model.low_ids_.fill(-1);
  for (int32_t id = 0; id < vocabulary.id_end(); ++id) {
    const std::string_view text = vocabulary.text(id);
    if (text.empty()) continue;
    const CodePoint code = code_point_at(text, 0);
    if (static_cast<size_t>(code.bytes) != text.size()) continue;
    if (code.value < model.low_ids_.size()) {
      model.low_ids_[code.value] = id;
    } else {
      model.high_ids_[code.value] = id;
    }
  }
  model.merges_.reserve(merges.size());
  std::string joined;
  for (size_t index = 0; index < merges.size(); ++index) {
    const auto& [left, right] = merges[index];
    joined.assign(left).append(right);
    int32_t ids[3];
    const std::string_view texts[3] = {left, right, joined};
    for (int part = 0; part < 3; ++part) {
      const std::optional<int32_t> id = vocabulary.id(texts[part]);
      if (!id) {
        return absl::InvalidArgumentError(
            concat("model.merges[", index, "]: ", shown(texts[part]), " is not in model.vocab"));
      }
      ids[part] = *id;
    }
    // A pair listed twice has the later rank, as in the library.
    model.merges_[pair_key(ids[0], ids[1])] = {static_cast<uint32_t>(index), ids[2]};
  }
  return model;
}

int32_t BpeModel::character_id(char32_t code) const {
  if (code < low_ids_.size()) return low_ids_[code];
  const auto it = high_ids_.find(code);
  return it == high_ids_.end() ? -1 : it->second;
}

bool BpeModel::spell(std::string_view character, BpeScratch* scratch) const {
  for (const char byte : character) {
    if (byte_ids_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (const char byte : character) {
    scratch->symbols_.push_back({byte_ids_[static_cast<unsigned char>(byte)], -1, -1, true});
  }
  return true;
}

// The word as single characters. An unknown token waits until a known character or the end follows:
// bytes spelled meanwhile come before it, which is what the library does.
void BpeModel::start(std::string_view word, BpeScratch* scratch) const {
  auto& symbols = scratch->symbols_;
  symbols.clear();
  bool unk_waits = false;
  const auto put_unk = [&] { symbols.push_back({unk_id_, -1, -1, true}); };
  for (size_t at = 0; at < word.size();) {
    const CodePoint code = code_point_at(word, at);
    const int32_t id = character_id(code.value);
    if (id >= 0) {
      if (unk_waits) put_unk();
      unk_waits = false;
      symbols.push_back({id, -1, -1, true});
    } else if (!settings_.byte_fallback || !spell(word.substr(at, code.bytes), scratch)) {
      if (unk_waits && !settings_.fuse_unk) put_unk();
      unk_waits = unk_id_ >= 0;
    }
    at += code.bytes;
  }
  if (unk_waits) put_unk();
  const auto count = static_cast<int32_t>(symbols.size());
  for (int32_t index = 0; index < count; ++index) {
    symbols[index].previous = index - 1;
    symbols[index].next = index + 1 < count ? index + 1 : -1;
  }
}

void BpeModel::push_candidate(BpeScratch* scratch, int32_t left, int32_t right) const {
  const auto it = merges_.find(pair_key(scratch->symbols_[left].id, scratch->symbols_[right].id));
  if (it != merges_.end()) scratch->heap_.push_back({it->second.rank, left, it->second.id});
}

void BpeModel::join(BpeScratch* scratch) const {
  auto& symbols = scratch->symbols_;
  auto& heap = scratch->heap_;
  const auto later = [](const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  heap.clear();
  for (size_t index = 0; index + 1 < symbols.size(); ++index) {
    push_candidate(scratch, static_cast<int32_t>(index), static_cast<int32_t>(index + 1));
  }
  std::make_heap(heap.begin(), heap.end(), later);
  const auto push = [&](int32_t left, int32_t right) {
    const size_t before = heap.size();
    push_candidate(scratch, left, right);
    if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    const BpeScratch::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    BpeScratch::Symbol& left = symbols[best.at];
    if (!left.is_live || left.next < 0) continue;
    BpeScratch::Symbol& right = symbols[left.next];
    // A stale entry still counts if the pair that stands there now makes the same token.
    const auto it = merges_.find(pair_key(left.id, right.id));
    if (it == merges_.end() || it->second.id != best.id) continue;
    left.id = best.id;
    right.is_live = false;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.at;
    if (left.previous >= 0) push(left.previous, best.at);
    if (left.next >= 0) push(best.at, left.next);
  }
}

void BpeModel::encode(std::string_view word, BpeScratch* scratch, std::vector<int32_t>* out) const {
  if (settings_.ignore_merges) {
    if (const auto id = vocabulary_->id(word)) {
      out->push_back(*id);
      return;
    }
  }
  start(word, scratch);
  if (scratch->symbols_.size() > 1) join(scratch);
  for (const BpeScratch::Symbol& symbol : scratch->symbols_) {
    if (symbol.is_live) out->push_back(symbol.id);
  }
}

}  // namespace tessera
