// The model's own vocabulary: tokens by text and texts by id, without added tokens. Built once at
// load; immutable; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

namespace tessera {

// Bounds that every real vocabulary is far below; they keep a hostile file from asking for much
// memory.
inline constexpr int32_t kMaxTokenId = (1 << 22) - 1;
inline constexpr size_t kMaxTokenBytes = 4096;

struct VocabularyEntry {
  std::string text;  // valid UTF-8
  int32_t id = 0;    // 0 to kMaxTokenId
};

class Vocabulary {
 public:
  Vocabulary() = default;
  // Refuses equal texts, equal ids and texts that are too long; the error names the token.
  absl::Status build(std::vector<VocabularyEntry> entries);

  std::optional<int32_t> id(std::string_view text) const;
  bool has(int32_t id) const { return id >= 0 && id < id_end() && used_[id]; }
  std::string_view text(int32_t id) const;  // "" if no token has this id
  int32_t id_end() const { return static_cast<int32_t>(used_.size()); }  // highest id + 1
  size_t size() const { return ids_.size(); }                            // number of tokens

 private:
  std::vector<std::string> texts_;  // by id; never resized once ids_ points into it
  std::vector<bool> used_;          // by id
  absl::flat_hash_map<std::string_view, int32_t, std::hash<std::string_view>> ids_;
};

}  // namespace tessera
