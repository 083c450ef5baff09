#include "engine/tokenize/incremental_text.h"

#include "engine/tokenize/decoder.h"

namespace tessera {

IncrementalText::IncrementalText(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special), stream_(tokenizer.decoder_stream()) {}
IncrementalText::~IncrementalText() = default;
IncrementalText::IncrementalText(IncrementalText&&) noexcept = default;
IncrementalText& IncrementalText::operator=(IncrementalText&&) noexcept = default;

std::string IncrementalText::append(int32_t id) {
  std::string delta;
  const auto token = tokenizer_->decoded_token(id, skip_special_);
  if (token) stream_->append(*token, &delta);
  return delta;
}

std::string IncrementalText::flush() {
  std::string delta;
  stream_->finish(&delta);
  return delta;
}

}  // namespace tessera
