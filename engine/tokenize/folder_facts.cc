#include "engine/tokenize/folder_facts.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/tokenizer_file.h"

namespace tessera {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;

// A special token is named by its text or by an object with a "content".
std::optional<std::string> token_content(const ConfigNode& node) {
  if (node.is_absent()) return std::nullopt;
  return node.is_object() ? node["content"].text() : node.text();
}

void read_names(const ConfigNode& root, FolderFacts* facts) {
  const auto take = [&](std::string_view key, std::optional<std::string>* name) {
    std::optional<std::string> content = token_content(root[key]);
    if (content) *name = std::move(content);
  };
  take("bos_token", &facts->bos);
  take("eos_token", &facts->eos);
  take("pad_token", &facts->pad);
  take("unk_token", &facts->unk);
  const ConfigNode more = root["additional_special_tokens"];
  for (size_t index = 0; more.is_array() && index < more.size(); ++index) {
    if (auto content = token_content(more.at(index))) facts->more_special.push_back(*content);
  }
}

std::optional<bool> flag_of(const ConfigNode& node) {
  if (node.is_absent()) return std::nullopt;
  return node.flag();
}

AddedToken read_added(const ConfigNode& node) {
  AddedToken token;
  token.content = node["content"].text();
  token.single_word = node["single_word"].flag_or(false);
  token.lstrip = node["lstrip"].flag_or(false);
  token.rstrip = node["rstrip"].flag_or(false);
  token.special = node["special"].flag_or(false);
  token.normalized = node["normalized"].flag_or(!token.special);
  return token;
}

void read_tokenizer_config(const ConfigNode& root, FolderFacts* facts) {
  read_names(root, facts);
  facts->add_bos = flag_of(root["add_bos_token"]);
  facts->add_eos = flag_of(root["add_eos_token"]);
  facts->legacy = flag_of(root["legacy"]);
  const ConfigNode added = root["added_tokens_decoder"];
  if (added.is_absent()) return;
  for (const std::string& key : added.keys()) {
    AddedToken token = read_added(added[key]);
    const char* const end = key.data() + key.size();
    const auto [parsed, error] = std::from_chars(key.data(), end, token.id);
    if (error != std::errc() || parsed != end || token.id < 0 || token.id > kMaxTokenId) {
      return added.refuse(concat(shown(key), " is no id from 0 to ", kMaxTokenId));
    }
    facts->added.push_back(std::move(token));
  }
}

// The oldest form: content to id, no flags.
void read_added_tokens(const ConfigNode& root, FolderFacts* facts) {
  const absl::flat_hash_set<std::string> more(facts->more_special.begin(),
                                              facts->more_special.end());
  for (const std::string& content : root.keys()) {
    AddedToken token;
    token.content = content;
    token.id = static_cast<int32_t>(root[content].integer(0, kMaxTokenId));
    const auto names = [&](const std::optional<std::string>& name) { return name == content; };
    token.special = names(facts->bos) || names(facts->eos) || names(facts->pad) ||
                    names(facts->unk) || more.contains(content);
    token.normalized = !token.special;
    facts->added.push_back(std::move(token));
  }
}

template <class Read>
absl::Status read_if_present(const std::filesystem::path& path, FolderFacts* facts, Read read) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  const absl::StatusOr<std::string> bytes = read_file(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<nlohmann::json> document = parse_json_object(*bytes, path.string());
  if (!document.ok()) return document.status();
  ConfigErrors errors(path.string());
  read(ConfigNode(&*document, "", &errors), facts);
  return errors.status();
}

}  // namespace

absl::StatusOr<FolderFacts> read_folder_facts(const std::filesystem::path& folder) {
  FolderFacts facts;
  // The config is newer than the map and wins where both name a token, so it is read last of the
  // two.
  absl::Status status = read_if_present(folder / "special_tokens_map.json", &facts, read_names);
  if (!status.ok()) return status;
  status = read_if_present(folder / "tokenizer_config.json", &facts, read_tokenizer_config);
  if (!status.ok()) return status;
  status = read_if_present(folder / "added_tokens.json", &facts, read_added_tokens);
  if (!status.ok()) return status;
  // Stable: of two entries for one id the one with flags stands first and stays.
  std::stable_sort(facts.added.begin(), facts.added.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (size_t index = 1; index < facts.added.size(); ++index) {
    const AddedToken &before = facts.added[index - 1], &token = facts.added[index];
    if (before.id == token.id && before.content != token.content) {
      return absl::InvalidArgumentError(
          concat(folder.string(), ": tokenizer_config.json and added_tokens.json give id ",
                 token.id, " to ", shown(before.content), " and to ", shown(token.content)));
    }
  }
  const auto same_id = [](const AddedToken& a, const AddedToken& b) { return a.id == b.id; };
  facts.added.erase(std::unique(facts.added.begin(), facts.added.end(), same_id),
                    facts.added.end());
  return facts;
}

}  // namespace tessera
