// The byte-pair-encoding model of tokenizer.json: cuts a word into known characters and joins
// neighbours by merge rank. Built once at load; immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

struct MergeRule {
  std::string left, right;
};

struct BpeSettings {
  std::optional<std::string> unk_token;
  bool fuse_unk = false;       // a run of unknown characters is one unknown token
  bool byte_fallback = false;  // unknown characters are spelled by tokens "<0x00>" to "<0xFF>"
  bool ignore_merges = false;  // a word that is a token stays whole, whatever the merges say
};

// Buffers of one encode call, reused from word to word.
class BpeScratch {
 private:
  friend class BpeModel;
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // index or -1
    bool is_live;
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;  // index of the left symbol
    int32_t id;  // of the joined token
  };
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

class BpeModel {
 public:
  // `vocabulary` must outlive the model. Refuses merges of tokens the vocabulary lacks.
  static absl::StatusOr<BpeModel> build(const Vocabulary& vocabulary,
                                        const std::vector<MergeRule>& merges,
                                        const BpeSettings& settings);

  // Appends the tokens of one word. n log n in its characters. A character that has no token, no
  // byte tokens and no unknown token to stand for it is dropped.
  void encode(std::string_view word, BpeScratch* scratch, std::vector<int32_t>* out) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };

  explicit BpeModel(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}
  int32_t character_id(char32_t code) const;  // -1 if the character is no token
  bool spell(std::string_view character, BpeScratch* scratch) const;
  void start(std::string_view word, BpeScratch* scratch) const;
  void push_candidate(BpeScratch* scratch, int32_t left, int32_t right) const;
  void join(BpeScratch* scratch) const;

  const Vocabulary* vocabulary_;
  BpeSettings settings_;
  int32_t unk_id_ = -1;
  std::array<int32_t, 256> byte_ids_ = {};
  std::array<int32_t, 512> low_ids_ = {};  // character_id below U+0200, all that byte level needs
  absl::flat_hash_map<char32_t, int32_t> high_ids_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // key: left id << 32 | right id
};

}  // namespace tessera
