#include "engine/tokenize/decoder_stages.h"

#include <vector>

#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

class TextSink final : public DecoderStage {
 public:
  explicit TextSink(std::string* out) : out_(out) {}
  void text(std::string_view part) override { out_->append(part); }
  void end() override {}
  void finish() override {}

 private:
  std::string* out_;
};

class JoinWithSpaces final : public DecoderStage {
 public:
  explicit JoinWithSpaces(DecoderStage* next) : next_(next) {}
  void text(std::string_view part) override {
    open();
    next_->text(part);
  }
  void end() override {
    open();
    is_open_ = false;
    next_->end();
  }
  void finish() override { next_->finish(); }

 private:
  void open() {
    if (!is_open_ && !is_first_) next_->text(" ");
    is_open_ = true;
    is_first_ = false;
  }

  DecoderStage* next_;
  bool is_open_ = false, is_first_ = true;
};

// Tokens spell bytes; the bytes of all of them are one text.
class ByteLevel final : public DecoderStage {
 public:
  explicit ByteLevel(DecoderStage* next) : next_(next) {}
  void text(std::string_view part) override { token_.append(part); }
  void end() override {
    std::string bytes, text;
    append_spelled_bytes(token_, &bytes);
    token_.clear();
    reader_.append(bytes, &text);
    if (!text.empty()) next_->text(text);
  }
  void finish() override {
    std::string text;
    reader_.finish(&text);
    next_->text(text);
    next_->end();
    next_->finish();
  }

 private:
  DecoderStage* next_;
  std::string token_;
  LossyUtf8 reader_;
};

// A run of tokens "<0xE4>" is the text of its bytes, or, if the run as a whole is no valid UTF-8,
// one U+FFFD for each of them; so nothing of a run is final before it ends.
class ByteFallback final : public DecoderStage {
 public:
  explicit ByteFallback(DecoderStage* next) : next_(next) {}
  void text(std::string_view part) override {
    if (!is_plain_) {
      token_.append(part);
      if (token_.size() <= kByteTokenBytes) return;
      is_plain_ = true;
      flush_run();
      next_->text(token_);
      return;
    }
    next_->text(part);
  }
  void end() override {
    const int byte = is_plain_ ? -1 : byte_of(token_);
    if (byte >= 0) {
      run_.push_back(static_cast<char>(byte));
    } else {
      if (!is_plain_) {
        flush_run();
        next_->text(token_);
      }
      next_->end();
    }
    token_.clear();
    is_plain_ = false;
  }
  void finish() override {
    flush_run();
    next_->finish();
  }

 private:
  static constexpr size_t kByteTokenBytes = 6;

  static int digit(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    return -1;
  }
  // The library's number parser takes a plus sign.
  static int byte_of(std::string_view token) {
    if (token.size() != kByteTokenBytes || token.substr(0, 3) != "<0x" || token[5] != '>')
      return -1;
    const int high = token[3] == '+' ? 0 : digit(token[3]);
    const int low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
  void flush_run() {
    if (run_.empty()) return;
    const bool is_valid = is_valid_utf8(run_);
    for (size_t left = is_valid ? 1 : run_.size(); left > 0; --left) {
      next_->text(is_valid ? std::string_view(run_) : kReplacementUtf8);
      next_->end();
    }
    run_.clear();
  }

  DecoderStage* next_;
  std::string token_, run_;
  bool is_plain_ = false;  // the current token is too long to be a byte
};

class Fuse final : public DecoderStage {
 public:
  explicit Fuse(DecoderStage* next) : next_(next) {}
  void text(std::string_view part) override { next_->text(part); }
  void end() override {}
  void finish() override {
    next_->end();
    next_->finish();
  }

 private:
  DecoderStage* next_;
};

// Takes up to `start` copies of a character from the front of each token and `stop` from its end.
class Strip final : public DecoderStage {
 public:
  Strip(const DecoderStep& step, DecoderStage* next) : step_(step), next_(next) {}
  void text(std::string_view part) override {
    while (front_left_ > 0 && part.substr(0, step_.pattern.size()) == step_.pattern) {
      part.remove_prefix(step_.pattern.size());
      --front_left_;
    }
    if (part.empty()) return;
    front_left_ = 0;
    held_.append(part);
    size_t keep = held_.size();
    for (size_t count = 0; count < step_.stop && ends_with_character(keep); ++count) {
      keep -= step_.pattern.size();
    }
    next_->text(std::string_view(held_).substr(0, keep));
    held_.erase(0, keep);
  }
  void end() override {
    held_.clear();
    front_left_ = step_.start;
    next_->end();
  }
  void finish() override { next_->finish(); }

 private:
  bool ends_with_character(size_t end) const {
    const size_t size = step_.pattern.size();
    return end >= size && held_.compare(end - size, size, step_.pattern) == 0;
  }

  const DecoderStep& step_;
  DecoderStage* next_;
  size_t front_left_ = step_.start;
  std::string held_;  // copies of the character that may be the token's last
};

// Literal replacement within each token, with Knuth, Morris and Pratt's table.
class Replace final : public DecoderStage {
 public:
  Replace(const DecoderStep& step, DecoderStage* next) : step_(step), next_(next) {
    fallback_.assign(step.pattern.size(), 0);
    size_t length = 0;
    for (size_t at = 1; at < step.pattern.size(); ++at) {
      while (length > 0 && step.pattern[at] != step.pattern[length]) length = fallback_[length - 1];
      if (step.pattern[at] == step.pattern[length]) ++length;
      fallback_[at] = length;
    }
  }
  void text(std::string_view part) override {
    const std::string& pattern = step_.pattern;
    std::string out;
    for (const char byte : part) {
      while (matched_ > 0 && byte != pattern[matched_]) {
        const size_t shorter = fallback_[matched_ - 1];
        out.append(pattern, 0, matched_ - shorter);
        matched_ = shorter;
      }
      if (byte != pattern[matched_]) {
        out.push_back(byte);
      } else if (++matched_ == pattern.size()) {
        out.append(step_.content);
        matched_ = 0;
      }
    }
    if (!out.empty()) next_->text(out);
  }
  void end() override {
    if (matched_ > 0) next_->text(std::string_view(step_.pattern).substr(0, matched_));
    matched_ = 0;
    next_->end();
  }
  void finish() override { next_->finish(); }

 private:
  const DecoderStep& step_;
  DecoderStage* next_;
  std::vector<size_t> fallback_;
  size_t matched_ = 0;  // bytes of the pattern that the text so far ends with
};

class Metaspace final : public DecoderStage {
 public:
  Metaspace(const DecoderStep& step, DecoderStage* next) : step_(step), next_(next) {}
  void text(std::string_view part) override {
    const bool drops = is_first_ && step_.drops_first;
    std::string out;
    for (size_t at = 0; at < part.size();) {
      const size_t bytes = code_point_at(part, at).bytes;
      const std::string_view character = part.substr(at, bytes);
      if (character != step_.pattern) {
        out.append(character);
      } else if (!drops) {
        out.push_back(' ');
      }
      at += bytes;
    }
    if (!out.empty()) next_->text(out);
  }
  void end() override {
    is_first_ = false;
    next_->end();
  }
  void finish() override { next_->finish(); }

 private:
  const DecoderStep& step_;
  DecoderStage* next_;
  bool is_first_ = true;
};

}  // namespace

std::unique_ptr<DecoderStage> make_text_sink(std::string* out) {
  return std::make_unique<TextSink>(out);
}

std::unique_ptr<DecoderStage> make_stage(const DecoderStep& step, const SentencePieceRules& rules,
                                         DecoderStage* next) {
  using Kind = DecoderStep::Kind;
  switch (step.kind) {
    case Kind::kByteLevel:
      return std::make_unique<ByteLevel>(next);
    case Kind::kByteFallback:
      return std::make_unique<ByteFallback>(next);
    case Kind::kFuse:
      return std::make_unique<Fuse>(next);
    case Kind::kStrip:
      return std::make_unique<Strip>(step, next);
    case Kind::kReplace:
      return std::make_unique<Replace>(step, next);
    case Kind::kMetaspace:
      return std::make_unique<Metaspace>(step, next);
    case Kind::kJoinWithSpaces:
      return std::make_unique<JoinWithSpaces>(next);
    case Kind::kSentencePiece:
      return make_sentence_piece_stage(rules, next);
  }
  return nullptr;
}

}  // namespace tessera
