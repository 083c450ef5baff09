// A SentencePiece model, BPE or unigram, that encodes as the sentencepiece library does, but in
// linear time (but for a logarithm) on any text and with no trust in the file. Made once at load;
// immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenize/aho_corasick.h"
#include "engine/tokenize/charsmap.h"
#include "engine/tokenize/model_proto.h"
#include "engine/tokenize/pattern_starts.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

class SentencePieceModel {
 public:
  // The vocabulary holds the proto's pieces under their ids and must outlive the model. With
  // prefix_each_part every text given to encode() gets the dummy prefix, else only the first one of
  // a prompt does (the "legacy" and the newer reading of added tokens).
  static absl::StatusOr<SentencePieceModel> build(const ModelProto& proto,
                                                  const Vocabulary& vocabulary,
                                                  bool prefix_each_part);

  // Appends the ids of one text, valid UTF-8.
  void encode(std::string_view text, bool is_first_part, std::vector<int32_t>* ids) const;

 private:
  // A stretch of normalised text that the model takes as one.
  struct Segment {
    std::string_view text;
    int32_t id;
  };
  struct Symbol {
    size_t begin, length;  // bytes; length 0: joined to the one on its left
    int32_t previous, next;
    bool is_frozen;  // a user-defined symbol, never joined
  };

  explicit SentencePieceModel(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}

  std::string normalize(std::string_view text, bool with_prefix) const;
  std::vector<Segment> segment_bpe(std::string_view text) const;
  std::vector<Segment> segment_unigram(std::string_view text) const;
  std::vector<Symbol> split_symbols(std::string_view text) const;
  int32_t id_of(std::string_view piece) const;  // the unknown id if there is no such piece

  const Vocabulary* vocabulary_;
  ModelProto settings_;            // its pieces and charsmap are moved out
  std::vector<float> scores_;      // by id
  std::vector<PieceType> types_;   // by id
  std::vector<int32_t> byte_ids_;  // by byte, with byte_fallback
  size_t longest_piece_ = 0;       // bytes
  int32_t unk_id_ = 0;
  bool prefix_each_part_ = true;
  float lowest_score_ = 0;  // of normal pieces
  Charsmap charsmap_;
  PatternStarts user_defined_;
  std::vector<int32_t> trie_ids_;            // by pattern of trie_
  std::shared_ptr<const AhoCorasick> trie_;  // unigram: pieces that may be found in text
};

}  // namespace tessera
