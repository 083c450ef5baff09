#include "engine/tokenize/tokenizer.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/tokenize/sentence_piece_model.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/tokenizer_parts.h"
#include "engine/tokenize/utf8.h"

namespace tessera {

TokenizerParts::TokenizerParts() = default;
TokenizerParts::~TokenizerParts() = default;

Tokenizer::Tokenizer(std::unique_ptr<TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& folder) {
  std::error_code error;
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name, error); };
  // T5's own file comes first: the tokenizer.json beside it says the same in another way.
  const bool has_t5 = has(kT5ModelName), has_json = !has_t5 && has("tokenizer.json");
  if (!has_t5 && !has_json && !has(kSentencePieceName)) {
    return absl::NotFoundError(
        concat(folder.string(), ": has neither tokenizer.json nor tokenizer.model"));
  }
  absl::StatusOr<std::unique_ptr<TokenizerParts>> parts =
      has_json ? load_json_tokenizer(folder)
               : load_sentence_piece_tokenizer(folder, has_t5 ? kT5ModelName : kSentencePieceName);
  if (!parts.ok()) return parts.status();
  return std::unique_ptr<Tokenizer>(new Tokenizer(*std::move(parts)));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = lossy_utf8(text);
    text = repaired;
  }
  PieceArena arena;
  std::vector<TextPiece> pieces =
      parts_->added.extract(text, parts_->normalizer, options.parse_special, &arena);
  parts_->pre_tokenizer.apply(&pieces, &arena);
  std::vector<int32_t> ids;
  BpeScratch scratch;
  for (const TextPiece& piece : pieces) {
    if (piece.token >= 0) {
      ids.push_back(piece.token);
    } else if (parts_->bpe) {
      parts_->bpe->encode(piece.text, &scratch, &ids);
    } else {
      parts_->sentence_piece->encode(piece.text, piece.origin_bytes > 0, &ids);
    }
  }
  return parts_->post_processor.apply(std::move(ids), options.add_special_tokens);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  const std::unique_ptr<DecoderStream> stream = decoder_stream();
  std::string text;
  for (const int32_t id : ids) {
    if (const auto token = decoded_token(id, skip_special)) stream->append(*token, &text);
  }
  stream->finish(&text);
  return text;
}

std::unique_ptr<DecoderStream> Tokenizer::decoder_stream() const {
  return parts_->decoder.stream();
}

std::optional<std::string_view> Tokenizer::decoded_token(int32_t id, bool skip_special) const {
  if (parts_->added.find(id) != nullptr) {
    if (skip_special && parts_->added.skipped_in_decoding(id)) return std::nullopt;
    return parts_->added.decoded(id);
  }
  if (!parts_->vocabulary.has(id)) return std::nullopt;
  return parts_->vocabulary.text(id);
}

int Tokenizer::vocab_size() const {
  return std::max(parts_->vocabulary.id_end(), parts_->added.id_end());
}

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const std::optional<int32_t> added = parts_->added.id(token);
  return added ? added : parts_->vocabulary.id(token);
}

std::string Tokenizer::token_text(int32_t id) const {
  const AddedToken* const added = parts_->added.find(id);
  return added != nullptr ? added->content : std::string(parts_->vocabulary.text(id));
}

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* const added = parts_->added.find(id);
  return added != nullptr && added->special;
}

std::optional<int32_t> Tokenizer::bos_id() const { return parts_->special.bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return parts_->special.eos; }
std::optional<int32_t> Tokenizer::pad_id() const { return parts_->special.pad; }
std::optional<int32_t> Tokenizer::unk_id() const { return parts_->special.unk; }

}  // namespace tessera
