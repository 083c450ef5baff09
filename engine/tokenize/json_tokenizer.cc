// tokenizer.json: puts the parts together and checks what only shows across them.
#include <algorithm>
#include <utility>

#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/tokenizer_file.h"
#include "engine/tokenize/tokenizer_parts.h"

namespace tessera {
namespace {

constexpr size_t kMaxFileBytes = 256 << 20;  // the largest in use are about 35 MB

std::optional<std::string> text_if_given(const ConfigNode& node) {
  if (node.is_absent()) return std::nullopt;
  return node.text();
}

BpeSettings read_model(const ConfigNode& model, const TokenizerFile& file) {
  BpeSettings settings;
  if (!model.is_object()) {
    model.refuse_value("must be an object");
    return settings;
  }
  if (model["type"].text_or("BPE") != "BPE") {
    model["type"].refuse_value("is not a supported model; only \"BPE\" is");
  }
  if (!file.has_vocab) model["vocab"].refuse("must be an object of token to id");
  if (!file.has_merges) model["merges"].refuse("must be a list");
  const ConfigNode dropout = model["dropout"];
  if (!dropout.is_absent()) dropout.refuse_value("is not supported; only null is");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model[key].text_or("").empty()) model[key].refuse_value("is not supported; only null is");
  }
  settings.unk_token = text_if_given(model["unk_token"]);
  settings.fuse_unk = model["fuse_unk"].flag_or(false);
  settings.byte_fallback = model["byte_fallback"].flag_or(false);
  settings.ignore_merges = model["ignore_merges"].flag_or(false);
  return settings;
}

std::vector<AddedToken> read_added_tokens(const ConfigNode& list) {
  std::vector<AddedToken> tokens;
  if (list.is_absent()) return tokens;
  const size_t count = list.size();
  for (size_t index = 0; index < count && list.errors().ok(); ++index) {
    const ConfigNode node = list.at(index);
    AddedToken token;
    token.content = node["content"].text();
    token.id = static_cast<int32_t>(node["id"].integer(0, kMaxTokenId));
    token.single_word = node["single_word"].flag();
    token.lstrip = node["lstrip"].flag();
    token.rstrip = node["rstrip"].flag();
    token.normalized = node["normalized"].flag();
    token.special = node["special"].flag();
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Tokens that only the smaller files name come after those of tokenizer.json.
absl::Status append_folder_tokens(const FolderFacts& facts, std::vector<AddedToken>* tokens) {
  absl::flat_hash_map<std::string, int32_t> known;
  for (const AddedToken& token : *tokens) known.emplace(token.content, token.id);
  for (const AddedToken& token : facts.added) {
    const auto [it, is_new] = known.emplace(token.content, token.id);
    if (is_new) {
      tokens->push_back(token);
    } else if (it->second != token.id) {
      return absl::InvalidArgumentError(
          concat("added_tokens: token ", shown(token.content), " has id ", it->second,
                 " but tokenizer_config.json or added_tokens.json gives it ", token.id));
    }
  }
  return absl::OkStatus();
}

// An unknown token that the vocabulary lacks does no harm if no character can be unknown.
void check_unk_token(const ConfigNode& model, const BpeSettings& settings,
                     const TokenizerParts& parts) {
  if (!settings.unk_token || parts.vocabulary.id(*settings.unk_token)) return;
  bool knows_all_bytes = parts.pre_tokenizer.is_byte_level();
  for (int byte = 0; byte < 256 && knows_all_bytes; ++byte) {
    const char character = static_cast<char>(byte);
    knows_all_bytes = parts.vocabulary.id(spell_bytes({&character, 1})).has_value();
  }
  if (!knows_all_bytes) model["unk_token"].refuse_value("is not in model.vocab");
}

void check_template_ids(const ConfigNode& node, const TokenizerParts& parts) {
  for (const int32_t id : parts.post_processor.added_ids()) {
    if (parts.vocabulary.has(id) || parts.added.find(id) != nullptr) continue;
    node.refuse(concat("adds id ", id, ", which no token has"));
  }
}

std::optional<int32_t> id_of(const TokenizerParts& parts, const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  const std::optional<int32_t> added = parts.added.id(*name);
  return added ? added : parts.vocabulary.id(*name);
}

absl::Status build_parts(TokenizerFile file, const FolderFacts& facts, ConfigErrors* errors,
                         TokenizerParts* parts) {
  const ConfigNode root(&file.rest, "", errors);
  if (root["version"].text_or("1.0") != "1.0") root["version"].refuse_value("is not supported");
  const BpeSettings settings = read_model(root["model"], file);
  parts->normalizer = Normalizer::read(root["normalizer"]);
  parts->pre_tokenizer = PreTokenizer::read(root["pre_tokenizer"]);
  parts->post_processor = PostProcessor::read(root["post_processor"]);
  parts->decoder = Decoder::read(root["decoder"]);
  std::vector<AddedToken> added = read_added_tokens(root["added_tokens"]);
  if (!errors->ok()) return errors->status();

  const auto record = [&](const absl::Status& status, std::string_view path) {
    if (!status.ok()) errors->add(path, std::string(status.message()));
    return errors->ok();
  };
  if (!record(parts->vocabulary.build(std::move(file.vocab)), "model.vocab")) {
    return errors->status();
  }
  absl::StatusOr<BpeModel> bpe = BpeModel::build(parts->vocabulary, file.merges, settings);
  if (!record(bpe.status(), "")) return errors->status();
  parts->bpe = *std::move(bpe);
  if (!record(append_folder_tokens(facts, &added), "")) return errors->status();
  record(parts->added.build(std::move(added), parts->vocabulary, parts->normalizer),
         "added_tokens");
  check_unk_token(root["model"], settings, *parts);
  check_template_ids(root["post_processor"], *parts);
  parts->special = {id_of(*parts, facts.bos), id_of(*parts, facts.eos), id_of(*parts, facts.pad),
                    id_of(*parts, facts.unk)};
  return errors->status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenizerParts>> load_json_tokenizer(
    const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  absl::StatusOr<std::string> bytes = read_file(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<TokenizerFile> file = parse_tokenizer_file(*bytes, path.string());
  if (!file.ok()) return file.status();
  bytes->clear();
  const absl::StatusOr<FolderFacts> facts = read_folder_facts(folder);
  if (!facts.ok()) return facts.status();
  ConfigErrors errors(path.string());
  auto parts = std::make_unique<TokenizerParts>();
  absl::Status status = build_parts(*std::move(file), *facts, &errors, parts.get());
  if (!status.ok()) return status;
  return parts;
}

}  // namespace tessera
