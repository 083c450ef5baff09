// tokenizer.model, or spiece.model: a SentencePiece model, with the added and special tokens that
// the folder's smaller files name around it, as the Llama tokenizer of transformers reads them.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/model_proto.h"
#include "engine/tokenize/sentence_piece_model.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/tokenizer_file.h"
#include "engine/tokenize/tokenizer_parts.h"

namespace tessera {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;  // the largest in use are about 5 MB

absl::Status in_file(const std::filesystem::path& path, std::string_view place,
                     const absl::Status& status) {
  return absl::InvalidArgumentError(
      concat(path.string(), ": ", place, ": ", std::string(status.message())));
}

SentencePieceRules decoder_rules(const ModelProto& proto, const AddedTokens& added) {
  SentencePieceRules rules;
  rules.drops_first_space = proto.add_dummy_prefix;
  rules.drops_leading_spaces = proto.remove_extra_whitespaces;
  for (const ModelPiece& piece : proto.pieces) {
    if (added.id(piece.text)) continue;
    if (piece.type == PieceType::kByte) rules.roles[piece.text] = PieceRole::kByte;
    if (piece.type == PieceType::kControl) rules.roles[piece.text] = PieceRole::kInvisible;
  }
  return rules;
}

// The folder's added tokens and every token it names special, in the order of their ids.
std::vector<AddedToken> tokens_around(const FolderFacts& facts, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens = facts.added;
  std::vector<std::string> names = facts.more_special;
  for (const auto& name : {facts.bos, facts.eos, facts.unk, facts.pad}) {
    if (name) names.push_back(*name);
  }
  absl::flat_hash_set<std::string> known;
  for (const AddedToken& token : tokens) known.insert(token.content);
  for (const std::string& name : names) {
    if (!known.insert(name).second) continue;
    const std::optional<int32_t> id = vocabulary.id(name);
    if (!id) continue;
    AddedToken& token = tokens.emplace_back();
    token.content = name;
    token.id = *id;
    token.special = true;
  }
  for (AddedToken& token : tokens) token.normalized = false;  // there is no normaliser before them
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return tokens;
}

// Names that the folder leaves out are the model's own, if it has such a control piece.
void take_model_names(const ModelProto& proto, FolderFacts* facts) {
  for (const ModelPiece& piece : proto.pieces) {
    if (piece.type == PieceType::kUnknown && !facts->unk) facts->unk = piece.text;
    if (piece.type != PieceType::kControl) continue;
    if (piece.text == proto.bos_piece && !facts->bos) facts->bos = piece.text;
    if (piece.text == proto.eos_piece && !facts->eos) facts->eos = piece.text;
    if (piece.text == proto.pad_piece && !facts->pad) facts->pad = piece.text;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenizerParts>> load_sentence_piece_tokenizer(
    const std::filesystem::path& folder, const char* name) {
  const std::filesystem::path path = folder / name;
  const absl::StatusOr<std::string> bytes = read_file(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<ModelProto> proto = parse_model_proto(*bytes, path.string());
  if (!proto.ok()) return proto.status();
  absl::StatusOr<FolderFacts> facts = read_folder_facts(folder);
  if (!facts.ok()) return facts.status();
  take_model_names(*proto, &*facts);

  auto parts = std::make_unique<TokenizerParts>();
  std::vector<VocabularyEntry> entries;
  for (const ModelPiece& piece : proto->pieces) {
    entries.push_back({piece.text, static_cast<int32_t>(entries.size())});
  }
  absl::Status status = parts->vocabulary.build(std::move(entries));
  if (!status.ok()) return in_file(path, "pieces", status);
  status = parts->added.build(tokens_around(*facts, parts->vocabulary), parts->vocabulary, {});
  if (!status.ok())
    return in_file(folder / "tokenizer_config.json", "added_tokens_decoder", status);
  absl::StatusOr<SentencePieceModel> model =
      SentencePieceModel::build(*proto, parts->vocabulary, facts->legacy.value_or(true));
  if (!model.ok()) {
    return in_file(path, "normalizer_spec.precompiled_charsmap", model.status());
  }
  parts->sentence_piece = std::make_unique<const SentencePieceModel>(*std::move(model));
  parts->decoder = Decoder::sentence_piece(decoder_rules(*proto, parts->added));
  const auto id_of = [&](const std::optional<std::string>& name) -> std::optional<int32_t> {
    return name ? parts->added.id(*name) : std::nullopt;
  };
  parts->special = {id_of(facts->bos), id_of(facts->eos), id_of(facts->pad), id_of(facts->unk)};
  const auto if_asked = [](bool asked, std::optional<int32_t> id) {
    return asked ? id : std::nullopt;
  };
  parts->post_processor =
      PostProcessor::around(if_asked(facts->add_bos.value_or(true), parts->special.bos),
                            if_asked(facts->add_eos.value_or(false), parts->special.eos));
  return parts;
}

}  // namespace tessera
