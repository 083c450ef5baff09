// SentencePiece's precompiled normalisation rules: a double-array trie of texts to replace and the
// texts that replace them. Checked whole when made, so that looking up needs no bounds and no
// trust; then immutable, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

class Charsmap {
 public:
  struct Rule {
    size_t length = 0;  // bytes replaced; 0: no rule starts here
    std::string_view replacement;
  };

  Charsmap() = default;  // no rules
  // `blob`: u32 size of the trie in bytes, the trie, replacements each ended by NUL. Little-endian.
  static absl::StatusOr<Charsmap> read(std::string_view blob);

  // The longest rule that starts at the front of the text.
  Rule longest(std::string_view text) const;

 private:
  absl::Status check();
  absl::StatusOr<size_t> check_below(size_t base, size_t depth, std::vector<uint8_t>* known) const;
  absl::Status check_leaf(size_t leaf) const;
  bool has_unit(size_t at) const { return at < units_.size(); }

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace tessera
