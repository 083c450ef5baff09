// The "decoder" of tokenizer.json as a stream: token texts go in one by one, and text comes out as
// soon as no later token can change it. Decoding a whole list is the same stream run to its end, so
// the two cannot differ. The Decoder is read once at load and immutable (any thread); a stream
// belongs to one output and one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenize/config_node.h"

namespace tessera {

// What a SentencePiece model does with a piece in decoding; pieces not listed are plain text.
enum class PieceRole { kInvisible, kByte };

struct SentencePieceRules {
  absl::flat_hash_map<std::string, PieceRole> roles;
  bool drops_first_space = false;     // of the text, once (add_dummy_prefix)
  bool drops_leading_spaces = false;  // all before the first other text (remove_extra_whitespaces)
};

struct DecoderStep {
  enum class Kind {
    kByteLevel,
    kByteFallback,
    kFuse,
    kStrip,
    kReplace,
    kMetaspace,
    kJoinWithSpaces,  // what the library does when there is no decoder
    kSentencePiece,
  };
  Kind kind;
  std::string pattern = {};  // kReplace; kStrip and kMetaspace: the character
  std::string content = {};  // kReplace
  size_t start = 0;          // kStrip: how many characters at most, before and after
  size_t stop = 0;
  bool drops_first = false;  // kMetaspace: no space comes from the first token
};

// One step of a running stream. A token arrives as any number of text() calls, each a whole number
// of code points, and one end(); finish() says that no token follows.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void text(std::string_view part) = 0;
  virtual void end() = 0;
  virtual void finish() = 0;
};

class DecoderStream {
 public:
  DecoderStream() = default;
  DecoderStream(const DecoderStream&) = delete;
  DecoderStream& operator=(const DecoderStream&) = delete;
  // Text of the next token; what became final is appended to *out.
  void append(std::string_view token, std::string* out);
  // The last token was given: the rest of the text.
  void finish(std::string* out);

 private:
  friend class Decoder;
  std::string pending_;
  std::vector<std::unique_ptr<DecoderStage>> stages_;  // last one writes to pending_
};

class Decoder {
 public:
  // An absent node joins tokens with spaces. Mistakes are recorded in the node's errors.
  static Decoder read(const ConfigNode& node);
  static Decoder sentence_piece(SentencePieceRules rules);

  // REQUIRES: the decoder outlives the stream.
  std::unique_ptr<DecoderStream> stream() const;

 private:
  void read_step(const ConfigNode& node, int depth);

  std::vector<DecoderStep> steps_;
  SentencePieceRules rules_;  // of kSentencePiece
};

}  // namespace tessera
