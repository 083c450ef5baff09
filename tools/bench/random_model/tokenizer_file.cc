#include "tools/bench/random_model/tokenizer_file.h"

#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

using nlohmann::ordered_json;

// Common letters first, so that a small vocabulary still holds the pairs that text is made of.
constexpr std::string_view kLetters = "etaoinshrdlcumwfgypbvkjxqzETAOINSHRDLCUMWFGYPBVKJXQZ";
constexpr const char* kByteSpace = "\u0120";  // a space in the byte-level alphabet
constexpr const char* kWordMark = "\u2581";   // a space in the SentencePiece alphabet

constexpr const char* kQwenSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string utf8(int code_point) {
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xc0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 63))};
}

// The 256 letters of byte-level BPE in id order: printable bytes stand for themselves, the others
// for the code points from 256 up.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters;
  std::vector<std::string> hidden;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    if (printable) letters.push_back(utf8(byte));
    if (!printable) hidden.push_back(utf8(256 + static_cast<int>(hidden.size())));
  }
  letters.insert(letters.end(), hidden.begin(), hidden.end());
  return letters;
}

// A BPE vocabulary under construction: pieces in id order, and the merges that build some of them.
struct Pieces {
  std::vector<std::string> pieces;
  std::vector<ordered_json> merges;

  // Adds pieces of two letters, then three, then four, until there are `count`.
  void grow(const std::string& space, size_t count) {
    std::vector<std::string> shorter = {space};
    for (const char letter : kLetters) shorter.emplace_back(1, letter);
    while (pieces.size() < count) {
      std::vector<std::string> longer;
      for (const std::string& piece : shorter) {
        for (const char letter : kLetters) {
          if (pieces.size() == count) return;
          longer.push_back(piece + letter);
          pieces.push_back(longer.back());
          merges.push_back({piece, std::string(1, letter)});
        }
      }
      shorter = std::move(longer);
    }
  }

  ordered_json model(bool ignore_merges, bool byte_fallback) const {
    ordered_json vocab = ordered_json::object();
    // The object is filled through its own container: ordered_json's operator[] searches linearly.
    ordered_json::object_t& entries = vocab.get_ref<ordered_json::object_t&>();
    entries.reserve(pieces.size());
    for (const std::string& piece : pieces) entries.emplace_back(piece, entries.size());
    const ordered_json unknown = byte_fallback ? ordered_json("<unk>") : ordered_json(nullptr);
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unknown},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", byte_fallback},
            {"byte_fallback", byte_fallback},
            {"ignore_merges", ignore_merges},
            {"vocab", std::move(vocab)},
            {"merges", merges}};
  }
};

ordered_json byte_level(bool prefix_space, bool trim, bool regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", prefix_space},
          {"trim_offsets", trim},
          {"use_regex", regex}};
}

ordered_json split_then_bytes(const char* pattern) {
  const ordered_json split = {{"type", "Split"},
                              {"pattern", {{"Regex", pattern}}},
                              {"behavior", "Isolated"},
                              {"invert", false}};
  return {{"type", "Sequence"},
          {"pretokenizers", ordered_json::array({split, byte_level(false, false, false)})}};
}

ordered_json added_tokens(int first, const std::vector<std::string>& texts, int specials) {
  ordered_json added = ordered_json::array();
  for (const std::string& text : texts) {
    const int rank = static_cast<int>(added.size());
    added.push_back({{"id", first + rank},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", rank < specials}});
  }
  return added;
}

// Puts `begin` in front of every text.
ordered_json begin_template(const char* begin, int id) {
  const auto special = [&](int type) {
    return ordered_json{{"SpecialToken", {{"id", begin}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return ordered_json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const ordered_json tokens = {{begin,
                                {{"id", begin},
                                 {"ids", ordered_json::array({id})},
                                 {"tokens", ordered_json::array({begin})}}}};
  return {
      {"type", "TemplateProcessing"},
      {"single", ordered_json::array({special(0), sequence("A", 0)})},
      {"pair", ordered_json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)})},
      {"special_tokens", tokens}};
}

ordered_json assemble(ordered_json added, ordered_json normalizer, ordered_json pre_tokenizer,
                      ordered_json post_processor, ordered_json decoder, ordered_json model) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", std::move(added)},
          {"normalizer", std::move(normalizer)},
          {"pre_tokenizer", std::move(pre_tokenizer)},
          {"post_processor", std::move(post_processor)},
          {"decoder", std::move(decoder)},
          {"model", std::move(model)}};
}

TokenizerFiles qwen(bool third_generation) {
  std::vector<std::string> texts = {
      "<|endoftext|>",      "<|im_start|>",     "<|im_end|>",     "<|object_ref_start|>",
      "<|object_ref_end|>", "<|box_start|>",    "<|box_end|>",    "<|quad_start|>",
      "<|quad_end|>",       "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
      "<|image_pad|>",      "<|video_pad|>",    "<tool_call>",    "</tool_call>",
      "<|fim_prefix|>",     "<|fim_middle|>",   "<|fim_suffix|>", "<|fim_pad|>",
      "<|repo_name|>",      "<|file_sep|>"};
  if (third_generation) {
    for (const char* text : {"<tool_response>", "</tool_response>", "<think>", "</think>"}) {
      texts.push_back(text);
    }
  }
  Pieces pieces = {byte_letters(), {}};
  pieces.grow(kByteSpace, 151643);
  const char* chat =
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  return {assemble(added_tokens(151643, texts, 14), {{"type", "NFC"}}, split_then_bytes(kQwenSplit),
                   byte_level(false, false, false), byte_level(false, false, false),
                   pieces.model(false, false)),
          {{"add_prefix_space", false},
           {"bos_token", nullptr},
           {"chat_template", chat},
           {"clean_up_tokenization_spaces", false},
           {"eos_token", "<|im_end|>"},
           {"model_max_length", 131072},
           {"pad_token", "<|endoftext|>"},
           {"tokenizer_class", "Qwen2Tokenizer"}}};
}

TokenizerFiles llama3() {
  std::vector<std::string> texts = {"<|begin_of_text|>",
                                    "<|end_of_text|>",
                                    "<|reserved_special_token_0|>",
                                    "<|reserved_special_token_1|>",
                                    "<|finetune_right_pad_id|>",
                                    "<|reserved_special_token_2|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eom_id|>",
                                    "<|eot_id|>",
                                    "<|python_tag|>"};
  for (int reserved = 3; texts.size() < 256; ++reserved) {
    texts.push_back("<|reserved_special_token_" + std::to_string(reserved) + "|>");
  }
  Pieces pieces = {byte_letters(), {}};
  pieces.grow(kByteSpace, 128000);
  const ordered_json post = {
      {"type", "Sequence"},
      {"processors", ordered_json::array({byte_level(true, false, true),
                                          begin_template("<|begin_of_text|>", 128000)})}};
  return {assemble(added_tokens(128000, texts, 256), nullptr, split_then_bytes(kLlama3Split), post,
                   byte_level(true, true, true), pieces.model(true, false)),
          {{"bos_token", "<|begin_of_text|>"},
           {"clean_up_tokenization_spaces", true},
           {"eos_token", "<|end_of_text|>"},
           {"model_max_length", 131072},
           {"tokenizer_class", "PreTrainedTokenizerFast"}}};
}

TokenizerFiles sentence_piece() {
  Pieces pieces = {{"<unk>", "<s>", "</s>"}, {}};
  constexpr const char* kHex = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    pieces.pieces.push_back(std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">");
  }
  pieces.pieces.push_back(kWordMark);
  for (int letter = 33; letter < 127; ++letter) pieces.pieces.push_back(utf8(letter));
  pieces.grow(kWordMark, 32000);
  const auto replace = [](const char* from, const char* to) {
    return ordered_json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  const ordered_json normalizer = {
      {"type", "Sequence"},
      {"normalizers", ordered_json::array({{{"type", "Prepend"}, {"prepend", kWordMark}},
                                           replace(" ", kWordMark)})}};
  const ordered_json decoder = {
      {"type", "Sequence"},
      {"decoders",
       ordered_json::array({replace(kWordMark, " "),
                            {{"type", "ByteFallback"}},
                            {{"type", "Fuse"}},
                            {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  return {assemble(added_tokens(0, {"<unk>", "<s>", "</s>"}, 3), normalizer, nullptr,
                   begin_template("<s>", 1), decoder, pieces.model(false, true)),
          {{"add_bos_token", true},
           {"add_eos_token", false},
           {"bos_token", "<s>"},
           {"eos_token", "</s>"},
           {"tokenizer_class", "LlamaTokenizer"},
           {"unk_token", "<unk>"}}};
}

}  // namespace

TokenizerFiles make_tokenizer(TokenizerStyle style) {
  switch (style) {
    case TokenizerStyle::kQwen2:
      return qwen(/*third_generation=*/false);
    case TokenizerStyle::kQwen3:
      return qwen(/*third_generation=*/true);
    case TokenizerStyle::kLlama3:
      return llama3();
    case TokenizerStyle::kSentencePiece:
      return sentence_piece();
  }
  return {};
}

}  // namespace tessera
