// The "pre_tokenizer" of tokenizer.json: steps that cut text into the words that merges may not
// cross, and, for byte-level models, spell the bytes of each word as printable characters. Read
// once at load; immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenize/config_node.h"
#include "engine/tokenize/scanner.h"
#include "engine/tokenize/text_piece.h"

namespace tessera {

class PreTokenizer {
 public:
  // An absent node cuts nothing. Mistakes are recorded in the node's errors.
  static PreTokenizer read(const ConfigNode& node);

  // Replaces the text pieces by their words; token pieces stay. No empty text piece is left.
  void apply(std::vector<TextPiece>* pieces, PieceArena* arena) const;

  // Every word reaches the model spelled in the 256 byte characters.
  bool is_byte_level() const;

 private:
  enum class Kind { kSplit, kDigits, kByteLevel, kMetaspace };
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prepend { kFirst, kAlways, kNever };
  struct Step {
    Kind kind;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;                      // kSplit: the text between matches is the delimiter
    std::optional<ScanPattern> pattern = {};  // kSplit by a known pattern, else by `literal`
    std::string literal = {};           // kSplit: what to look for; kMetaspace: the replacement
    bool add_prefix_space = false;      // kByteLevel
    bool use_regex = false;             // kByteLevel: cut by the GPT-2 pattern first
    Prepend prepend = Prepend::kNever;  // kMetaspace
    bool split = true;                  // kMetaspace
  };
  struct Span {
    size_t begin, end;
    bool is_match;
  };

  void read_step(const ConfigNode& node, int depth);
  void bound_growth(const ConfigNode& node) const;
  static Step read_split(const ConfigNode& node);
  static Step read_metaspace(const ConfigNode& node);
  static std::vector<Span> find_spans(const Step& step, std::string_view text);
  static void cut(const Step& step, const TextPiece& piece, std::vector<TextPiece>* out);
  static TextPiece with_spaces_marked(const Step& step, const TextPiece& piece, PieceArena* arena);
  static void apply_step(const Step& step, const TextPiece& piece, PieceArena* arena,
                         std::vector<TextPiece>* out);

  std::vector<Step> steps_;
};

}  // namespace tessera
