#include "engine/tokenize/vocabulary.h"

#include <algorithm>

#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"

namespace tessera {

absl::Status Vocabulary::build(std::vector<VocabularyEntry> entries) {
  int32_t id_end = 0;
  for (const VocabularyEntry& entry : entries) id_end = std::max(id_end, entry.id + 1);
  texts_.resize(id_end);
  used_.resize(id_end);
  ids_.reserve(entries.size());
  for (VocabularyEntry& entry : entries) {
    if (entry.text.size() > kMaxTokenBytes) {
      return absl::InvalidArgumentError(
          concat("token ", shown(entry.text), " is longer than ", kMaxTokenBytes, " bytes"));
    }
    if (used_[entry.id]) {
      return absl::InvalidArgumentError(concat("tokens ", shown(texts_[entry.id]), " and ",
                                               shown(entry.text), " both have id ", entry.id));
    }
    used_[entry.id] = true;
    texts_[entry.id] = std::move(entry.text);
    if (!ids_.emplace(texts_[entry.id], entry.id).second) {
      return absl::InvalidArgumentError(
          concat("token ", shown(texts_[entry.id]), " is listed twice"));
    }
  }
  return absl::OkStatus();
}

std::optional<int32_t> Vocabulary::id(std::string_view text) const {
  const auto it = ids_.find(text);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

std::string_view Vocabulary::text(int32_t id) const {
  return has(id) ? std::string_view(texts_[id]) : std::string_view();
}

}  // namespace tessera
