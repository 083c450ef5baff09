// The text of one output as its tokens come: every delta is final, ends on a code point, and the
// deltas together are exactly what Tokenizer::decode gives for all the tokens. Owned by that
// output, used by one thread at a time.
//
// Text is held back only while a later token may still change it: an unfinished UTF-8 sequence, a
// space that may be stripped, and with byte-fallback decoders a whole run of byte tokens, since one
// bad byte turns all of such a run into U+FFFD.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/tokenize/tokenizer.h"

namespace tessera {

class IncrementalText {
 public:
  // `tokenizer` must outlive this.
  IncrementalText(const Tokenizer& tokenizer, bool skip_special);
  ~IncrementalText();
  IncrementalText(IncrementalText&&) noexcept;
  IncrementalText& operator=(IncrementalText&&) noexcept;

  // The text that became final, often empty.
  std::string append(int32_t id);
  // No token follows: what was held back. Nothing may be appended afterwards.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::unique_ptr<DecoderStream> stream_;
};

}  // namespace tessera
