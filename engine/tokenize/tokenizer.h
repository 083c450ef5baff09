// Text to token ids and back, equal to what the model was trained with. Made once per model by
// load(), owned by the model's engine, immutable: every method may be called from any thread at
// once.
//
// A folder's tokenizer.json (byte-level or SentencePiece-converted BPE) is followed to the letter
// of the `tokenizers` library 0.23; a folder that has tokenizer.model only, or T5's spiece.model,
// to that of SentencePiece and of the Llama tokenizer of transformers (which adds no end token as
// T5's does). What is outside that is refused at load, naming file, key and value.
// engine/tokenize/README.md lists what is supported.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

class DecoderStream;
struct TokenizerParts;

struct EncodeOptions {
  // Adds what the folder's post-processor adds, BOS for example. Off for rendered chat, which has
  // it.
  bool add_special_tokens = true;
  // Special tokens written out in the text become their ids. Off: they are plain text, so a user
  // cannot write them.
  bool parse_special = true;
};

class Tokenizer {
 public:
  // NOT_FOUND if the folder has none of tokenizer.json, tokenizer.model and spiece.model;
  // INVALID_ARGUMENT if what is there is broken or not supported.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> load(const std::filesystem::path& folder);
  ~Tokenizer();

  // Linear in the text but for a logarithm. Bytes that are no UTF-8 are read as U+FFFD.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Valid UTF-8. Ids that name no token are left out, special tokens too if skip_special.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  // Highest id + 1, added tokens included. The model's own vocabulary may be larger by padding.
  int vocab_size() const;
  std::optional<int32_t> token_id(std::string_view token) const;
  // The token as the vocabulary spells it ("\u0120the", "<0x0A>"); "" if no token has this id.
  std::string token_text(int32_t id) const;
  bool is_special(int32_t id) const;

  // As named by tokenizer_config.json, special_tokens_map.json or tokenizer.model.
  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> pad_id() const;
  std::optional<int32_t> unk_id() const;

  // For IncrementalText: a running decode(), and the text it takes for an id (nullopt: left out).
  // The tokenizer must outlive the stream.
  std::unique_ptr<DecoderStream> decoder_stream() const;
  std::optional<std::string_view> decoded_token(int32_t id, bool skip_special) const;

 private:
  explicit Tokenizer(std::unique_ptr<TokenizerParts> parts);

  std::unique_ptr<const TokenizerParts> parts_;
};

}  // namespace tessera
