// Tokens that stand outside the model: found in the text before anything else, whole, and often
// special. Filled at load, then immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/tokenize/normalizer.h"
#include "engine/tokenize/pattern_starts.h"
#include "engine/tokenize/text_piece.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = true;    // looked for, in its normalised form, in normalised text
  bool special = false;      // skipped by decode(skip_special), ignored by encode(!parse_special)
};

class AddedTokens {
 public:
  // Takes the tokens in file order. Refuses, naming the token: empty or equal contents, and an id
  // other than the one the `tokenizers` library gives it, which is that of the equal token of
  // `vocabulary`, or the first id after the vocabulary that is not taken yet.
  absl::Status build(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
                     const Normalizer& normalizer);

  // Cuts the text into pieces of text and added tokens, normalising the text on the way.
  // Leftmost longest match; linear in the text.
  std::vector<TextPiece> extract(std::string_view text, const Normalizer& normalizer,
                                 bool parse_special, PieceArena* arena) const;

  std::optional<int32_t> id(std::string_view content) const;
  const AddedToken* find(int32_t id) const;  // null: no added token
  // The text that stands for the token in decoding; differs from content if normalised.
  std::string_view decoded(int32_t id) const;
  bool skipped_in_decoding(int32_t id) const;
  int32_t id_end() const { return id_end_; }  // highest id + 1, or 0
  const std::vector<AddedToken>& all() const { return tokens_; }

 private:
  // The tokens that are looked for at the same time, before or after normalisation.
  struct Matcher {
    PatternStarts patterns;
    std::vector<size_t> tokens;  // by pattern: index into tokens_
  };
  struct Found {
    size_t begin, end;  // bytes
    size_t token;       // index into tokens_
  };

  absl::Status build_matcher(bool normalized, Matcher* matcher) const;
  static std::vector<Found> find_all(const Matcher& matcher, std::string_view text);
  void cut(const Matcher& matcher, const TextPiece& piece, bool parse_special,
           std::vector<TextPiece>* out) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> decoded_;  // by index
  std::vector<bool> is_special_;      // by index: some special token has this content
  std::vector<bool> is_skipped_;      // by index: the decoded text is a special content
  absl::flat_hash_map<int32_t, size_t> by_id_;
  absl::flat_hash_map<std::string, size_t> by_content_;
  Matcher plain_, normalized_;
  int32_t id_end_ = 0;
};

}  // namespace tessera
