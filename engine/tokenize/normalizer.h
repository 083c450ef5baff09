// The "normalizer" of tokenizer.json: a list of rewriting steps applied to each piece of text
// before it is split. Read once at load; immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text_piece.h"

namespace tessera {

class Normalizer {
 public:
  // An absent node is no normalizer. Mistakes are recorded in the node's errors.
  static Normalizer read(const ConfigNode& node);

  // The steps in order. The result points into the piece or into `arena`.
  TextPiece apply(const TextPiece& piece, PieceArena* arena) const;
  std::string apply(std::string_view text) const;

 private:
  enum class Kind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kPrepend, kReplace, kStrip };
  struct Step {
    Kind kind;
    std::string pattern = {}, content = {};  // kReplace; kPrepend uses content
    bool left = false, right = false;        // kStrip
  };

  void read_step(const ConfigNode& node, int depth);
  void bound_growth(const ConfigNode& node) const;
  static TextPiece apply_step(const Step& step, const TextPiece& piece, PieceArena* arena);

  std::vector<Step> steps_;
};

}  // namespace tessera
