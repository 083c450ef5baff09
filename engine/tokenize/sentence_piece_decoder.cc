#include <utility>

#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/decoder_stages.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Bytes as SentencePiece reads them: each byte that begins no valid character becomes one U+FFFD.
class ByteReader {
 public:
  void append(char byte, std::string* out) {
    pending_.push_back(byte);
    settle(false, out);
  }
  void finish(std::string* out) { settle(true, out); }

 private:
  void settle(bool at_end, std::string* out) {
    while (!pending_.empty()) {
      const size_t length = character_length();
      if (length > pending_.size() && !at_end && may_continue()) return;
      if (length <= pending_.size() &&
          is_valid_utf8(std::string_view(pending_).substr(0, length))) {
        out->append(pending_, 0, length);
        pending_.erase(0, length);
      } else {
        out->append(kReplacementUtf8);
        pending_.erase(0, 1);
      }
    }
  }
  size_t character_length() const {
    const auto lead = static_cast<unsigned char>(pending_[0]);
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  }
  // Whether more bytes can make the pending ones a character: the lossy reader has not given up.
  bool may_continue() const {
    std::string seen;
    LossyUtf8 reader;
    reader.append(pending_, &seen);
    return seen.empty();
  }

  std::string pending_;  // at most 4 bytes
};

class SentencePieceStage final : public DecoderStage {
 public:
  SentencePieceStage(const SentencePieceRules& rules, DecoderStage* next)
      : rules_(rules), next_(next) {}

  void text(std::string_view part) override { piece_.append(part); }

  void end() override {
    const auto role = rules_.roles.find(piece_);
    std::string out;
    if (role != rules_.roles.end() && role->second == PieceRole::kByte) {
      bytes_.append(static_cast<char>(byte_of_piece(piece_)), &out);
    } else {
      bytes_.finish(&out);
      has_text_ = has_text_ || !out.empty();
      const bool is_invisible = role != rules_.roles.end();
      out.append(is_invisible ? without_space("") : without_space(piece_));
    }
    piece_.clear();
    give(out);
  }

  void finish() override {
    std::string out;
    bytes_.finish(&out);
    give(out);
    next_->end();
    next_->finish();
  }

 private:
  void give(const std::string& out) {
    has_text_ = has_text_ || !out.empty();
    if (!out.empty()) next_->text(out);
  }

  // The piece's text, its first space left out as long as the text has not begun.
  std::string without_space(std::string_view piece) {
    if (dropped_space_ || has_text_) at_start_ = false;
    dropped_space_ = false;
    const bool drops = at_start_ && (rules_.drops_first_space || rules_.drops_leading_spaces);
    if (drops && piece.starts_with(kSpaceMark)) {
      piece.remove_prefix(kSpaceMark.size());
      dropped_space_ = !rules_.drops_leading_spaces;
    }
    return replace_all(piece, kSpaceMark, " ");
  }

  const SentencePieceRules& rules_;
  DecoderStage* next_;
  std::string piece_;
  ByteReader bytes_;
  bool at_start_ = true;
  bool dropped_space_ = false;  // by the piece before
  bool has_text_ = false;
};

}  // namespace

std::unique_ptr<DecoderStage> make_sentence_piece_stage(const SentencePieceRules& rules,
                                                        DecoderStage* next) {
  return std::make_unique<SentencePieceStage>(rules, next);
}

}  // namespace tessera
