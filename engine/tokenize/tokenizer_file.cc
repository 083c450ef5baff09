#include "engine/tokenize/tokenizer_file.h"

#include <fstream>
#include <system_error>
#include <utility>

#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxValues = 1 << 22;      // of the small document
constexpr size_t kMaxVocabulary = 1 << 22;  // entries
constexpr size_t kMaxMerges = 1 << 22;

// Builds `rest` and, when `streams_model` is set, takes model.vocab and model.merges out of the
// stream. Every callback returns whether to go on; errors name the place.
class FileReader final : public nlohmann::json_sax<json> {
 public:
  FileReader(const std::string& file, bool streams_model, TokenizerFile* out)
      : errors_(file), streams_model_(streams_model), out_(out) {}

  const absl::Status& status() const { return errors_.status(); }

  bool null() override { return value(nullptr); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_integer(int64_t number) override { return value(number); }
  bool number_unsigned(uint64_t number) override {
    if (section_ == Section::kVocab) return vocab_id(number);
    return value(number);
  }
  bool number_float(double number, const std::string&) override { return value(number); }
  bool binary(json::binary_t&) override { return fail("binary values are not JSON"); }
  bool string(std::string& text) override {
    if (section_ == Section::kMerges) return merge_text(text);
    return value(std::move(text));
  }

  bool key(std::string& name) override {
    if (section_ == Section::kVocab) {
      token_ = std::move(name);
      return true;
    }
    keys_.back() = std::move(name);
    if (!stack_.empty() && stack_.back()->contains(keys_.back())) return fail("is given twice");
    return true;
  }

  bool start_object(size_t) override {
    if (section_ == Section::kNone && at_model_key("vocab")) {
      section_ = Section::kVocab;
      out_->has_vocab = true;
      return put(nullptr) != nullptr;  // holds the key's place
    }
    return open(json::object());
  }
  bool end_object() override {
    if (section_ == Section::kVocab) {
      section_ = Section::kNone;
      return true;
    }
    return close();
  }
  bool start_array(size_t) override {
    if (section_ == Section::kNone && at_model_key("merges")) {
      section_ = Section::kMerges;
      out_->has_merges = true;
      return put(nullptr) != nullptr;
    }
    if (section_ == Section::kMerges && !in_pair_) {
      in_pair_ = true;
      pair_.clear();
      return true;
    }
    return open(json::array());
  }
  bool end_array() override {
    if (section_ == Section::kMerges) return in_pair_ ? end_pair() : end_merges();
    return close();
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    std::string_view what = error.what();
    const size_t start = what.find("] ");
    if (start != std::string_view::npos) what.remove_prefix(start + 2);
    errors_.add("", concat("no valid JSON: ", what.substr(0, 200)));
    return false;
  }

 private:
  enum class Section { kNone, kVocab, kMerges };
  enum class MergeForm { kUnknown, kTexts, kPairs };

  std::string place() const {
    std::string path;
    for (size_t level = 0; level < stack_.size(); ++level) {
      if (stack_[level]->is_array()) {
        path += concat("[", stack_[level]->size(), "]");
      } else {
        path += concat(path.empty() ? "" : ".", std::string_view(keys_[level]).substr(0, 80));
      }
    }
    return path;
  }
  bool fail(std::string_view message) {
    errors_.add(place(), message);
    return false;
  }
  bool fail_merge(std::string_view message) {
    errors_.add(concat("model.merges[", listed_merges_, "]"), message);
    return false;
  }

  bool at_model_key(std::string_view name) const {
    return streams_model_ && stack_.size() == 2 && stack_[0]->is_object() &&
           stack_[1]->is_object() && keys_[0] == "model" && keys_[1] == name;
  }

  template <class Value>
  bool value(Value&& content) {
    if (section_ == Section::kVocab) {
      errors_.add("model.vocab", concat("the id of ", shown(token_),
                                        " must be an integer from 0 to ", kMaxTokenId));
      return false;
    }
    if (section_ == Section::kMerges) return fail_merge("must be a text or a pair of texts");
    return put(json(std::forward<Value>(content))) != nullptr;
  }

  json* put(json content) {
    if (++values_ > kMaxValues) {
      fail(concat("more than ", kMaxValues, " values"));
      return nullptr;
    }
    if (stack_.empty()) {
      out_->rest = std::move(content);
      return &out_->rest;
    }
    json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(content));
      return &parent.back();
    }
    return &(parent[keys_.back()] = std::move(content));
  }

  bool open(json container) {
    if (section_ == Section::kMerges) return fail_merge("must be a text or a pair of texts");
    if (section_ == Section::kVocab) return value(nullptr);
    if (stack_.size() == kMaxDepth) return fail(concat("nested deeper than ", kMaxDepth));
    json* const placed = put(std::move(container));
    if (placed == nullptr) return false;
    stack_.push_back(placed);
    keys_.emplace_back();
    return true;
  }
  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  bool vocab_id(uint64_t number) {
    if (number > static_cast<uint64_t>(kMaxTokenId)) return value(nullptr);
    if (out_->vocab.size() == kMaxVocabulary) {
      return fail(concat("more than ", kMaxVocabulary, " tokens"));
    }
    out_->vocab.push_back({std::move(token_), static_cast<int32_t>(number)});
    return true;
  }

  bool add_merge(MergeForm form, std::string left, std::string right) {
    if (form_ == MergeForm::kUnknown) form_ = form;
    if (form_ != form) return fail_merge("texts and pairs are mixed");
    if (out_->merges.size() == kMaxMerges) {
      return fail_merge(concat("more than ", kMaxMerges, " merges"));
    }
    out_->merges.push_back({std::move(left), std::move(right)});
    ++listed_merges_;
    return true;
  }
  bool merge_text(std::string& text) {
    if (in_pair_) {
      pair_.push_back(std::move(text));
      return pair_.size() <= 2 || fail_merge("must be a pair of texts");
    }
    // A header line of merges.txt that some converters keep; it has no rank.
    if (text.starts_with("#version")) {
      ++listed_merges_;
      return true;
    }
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      return fail_merge(concat(shown(text), " must be two tokens with one space between"));
    }
    return add_merge(MergeForm::kTexts, text.substr(0, space), text.substr(space + 1));
  }
  bool end_pair() {
    in_pair_ = false;
    if (pair_.size() != 2) return fail_merge("must be a pair of texts");
    return add_merge(MergeForm::kPairs, std::move(pair_[0]), std::move(pair_[1]));
  }
  bool end_merges() {
    section_ = Section::kNone;
    return true;
  }

  ConfigErrors errors_;
  bool streams_model_;
  TokenizerFile* out_;
  std::vector<json*> stack_;       // open containers of the small document
  std::vector<std::string> keys_;  // the key being filled in each of them
  size_t values_ = 0;
  Section section_ = Section::kNone;
  std::string token_;  // key in model.vocab
  bool in_pair_ = false;
  std::vector<std::string> pair_;
  MergeForm form_ = MergeForm::kUnknown;
  size_t listed_merges_ = 0;
};

absl::Status parse(std::string_view text, const std::string& file, bool streams_model,
                   TokenizerFile* out) {
  FileReader reader(file, streams_model, out);
  json::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.status().ok()) return reader.status();
  if (out->rest.is_object()) return absl::OkStatus();
  return absl::InvalidArgumentError(concat(file, ": must be a JSON object"));
}

}  // namespace

absl::StatusOr<TokenizerFile> parse_tokenizer_file(std::string_view text, const std::string& file) {
  TokenizerFile result;
  if (absl::Status status = parse(text, file, true, &result); !status.ok()) return status;
  return result;
}

absl::StatusOr<json> parse_json_object(std::string_view text, const std::string& file) {
  TokenizerFile result;
  if (absl::Status status = parse(text, file, false, &result); !status.ok()) return status;
  return std::move(result.rest);
}

absl::StatusOr<std::string> read_file(const std::filesystem::path& path, size_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::NotFoundError(concat(path.string(), ": no such regular file"));
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::UnavailableError(concat(path.string(), ": ", error.message()));
  if (size > max_bytes) {
    return absl::InvalidArgumentError(
        concat(path.string(), ": ", size, " bytes, more than ", max_bytes));
  }
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<uintmax_t>(in.gcount()) != size) {
    return absl::UnavailableError(concat(path.string(), ": cannot be read"));
  }
  return bytes;
}

}  // namespace tessera
