#include "engine/chat/chat_templates.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include "engine/chat/chat_request.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::size_t kConfigBytesMost = 64u << 20;  // added tokens make some files large
constexpr std::size_t kTemplatesMost = 64;
constexpr std::size_t kTokenBytesMost = 4096;

constexpr const char* kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

// The bytes of a file, nothing when there is none.
absl::StatusOr<std::optional<std::string>> read_file(const fs::path& path, std::size_t most) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  if (!fs::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), ": not a regular file"));
  }
  const std::uintmax_t size = fs::file_size(path, error);
  if (error || size > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": larger than ", most, " bytes, or unreadable"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) return absl::InvalidArgumentError(absl::StrCat(path.string(), ": cannot be read"));
  return bytes;
}

// The JSON object in a file; an empty one when there is no file.
absl::StatusOr<Json> read_object(const fs::path& path) {
  const auto bytes = read_file(path, kConfigBytesMost);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return Json::object();
  Json json = Json::parse(**bytes, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), ": not a JSON object"));
  }
  return json;
}

// A token is a string or an object with the string under "content".
absl::Status read_tokens(const Json& config, const fs::path& file,
                         std::map<std::string, std::string>& tokens) {
  for (const char* name : kSpecialTokens) {
    const auto found = config.find(name);
    if (found == config.end()) continue;
    if (found->is_null()) {
      tokens.erase(name);
      continue;
    }
    const Json& text =
        found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (!text.is_string() || text.get_ref<const std::string&>().size() > kTokenBytesMost) {
      return absl::InvalidArgumentError(absl::StrCat(
          file.string(), ": '", name, "' is not a string of at most ", kTokenBytesMost, " bytes"));
    }
    tokens[name] = text.get<std::string>();
  }
  return absl::OkStatus();
}

}  // namespace

void ChatTemplates::add(const std::string& name, const std::string& source,
                        const std::string& origin) {
  templates_.insert_or_assign(name, ChatTemplate::parse(source, origin));
}

absl::Status ChatTemplates::add_files(const fs::path& folder) {
  const auto single = read_file(folder / "chat_template.jinja", ChatTemplate::kSourceMost);
  if (!single.ok()) return single.status();
  if (single->has_value()) add("default", **single, "chat_template.jinja");
  std::error_code error;
  std::vector<fs::path> more;
  const fs::path extra = folder / "additional_chat_templates";
  for (fs::directory_iterator entry(extra, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".jinja") more.push_back(entry->path());
    if (more.size() > kTemplatesMost) {
      return absl::InvalidArgumentError(
          absl::StrCat(extra.string(), ": more than ", kTemplatesMost, " templates"));
    }
  }
  for (const fs::path& path : more) {
    const auto source = read_file(path, ChatTemplate::kSourceMost);
    if (!source.ok()) return source.status();
    if (source->has_value()) {
      add(path.stem().string(), **source, "additional_chat_templates/" + path.filename().string());
    }
  }
  return absl::OkStatus();
}

absl::Status ChatTemplates::add_config(const Json& config, const std::string& file) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return absl::OkStatus();
  const std::string origin = file + " chat_template";
  if (found->is_string()) {
    add("default", found->get_ref<const std::string&>(), origin);
    return absl::OkStatus();
  }
  if (!found->is_array() || found->size() > kTemplatesMost) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, " is neither a string nor a list of at most ", kTemplatesMost, " templates"));
  }
  for (const Json& entry : *found) {
    const bool named = entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
                       entry.contains("template") && entry["template"].is_string();
    if (!named) {
      return absl::InvalidArgumentError(
          absl::StrCat(origin, " has an entry without the strings 'name' and 'template'"));
    }
    const std::string name = entry["name"].get<std::string>();
    add(name, entry["template"].get_ref<const std::string&>(),
        absl::StrCat(origin, "[", name, "]"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ChatTemplates> ChatTemplates::load(const fs::path& folder) {
  ChatTemplates loaded;
  const fs::path config_file = folder / "tokenizer_config.json";
  const absl::StatusOr<Json> config = read_object(config_file);
  if (!config.ok()) return config.status();
  absl::Status status = read_tokens(*config, config_file, loaded.special_tokens_);
  // As in transformers, the older file counts only where the newer has no list of added tokens.
  if (status.ok() && !config->contains("added_tokens_decoder")) {
    const fs::path tokens_file = folder / "special_tokens_map.json";
    const absl::StatusOr<Json> tokens = read_object(tokens_file);
    status =
        tokens.ok() ? read_tokens(*tokens, tokens_file, loaded.special_tokens_) : tokens.status();
  }
  if (status.ok()) status = loaded.add_files(folder);
  if (status.ok() && loaded.templates_.empty()) {
    status = loaded.add_config(*config, "tokenizer_config.json");
  }
  if (status.ok() && loaded.templates_.empty()) {
    const absl::StatusOr<Json> legacy = read_object(folder / "chat_template.json");
    status = legacy.ok() ? loaded.add_config(*legacy, "chat_template.json") : legacy.status();
  }
  if (!status.ok()) return status;
  return loaded;
}

absl::StatusOr<const ChatTemplate*> ChatTemplates::choose(const ChatRequest& request) const {
  auto found = templates_.find(request.template_name);
  if (request.template_name.empty()) {
    found = request.tools.is_null() ? templates_.end() : templates_.find("tool_use");
    if (found == templates_.end()) found = templates_.find("default");
  }
  if (templates_.empty()) {
    return absl::FailedPreconditionError("the model folder has no chat template");
  }
  if (found == templates_.end()) {
    std::string names;
    for (const auto& [name, parsed] : templates_)
      absl::StrAppend(&names, names.empty() ? "" : ", ", name);
    const std::string asked = request.template_name.empty() ? "default" : request.template_name;
    return absl::InvalidArgumentError(
        absl::StrCat("the model folder has no chat template '", asked, "'; it has: ", names));
  }
  const absl::Status& parsed = found->second.status();
  if (parsed.ok()) return &*found->second;
  // A template that does not parse is the folder's fault, not the request's.
  if (absl::IsUnimplemented(parsed)) return parsed;
  return absl::FailedPreconditionError(parsed.message());
}

absl::Status ChatTemplates::ready() const { return choose(ChatRequest{}).status(); }

absl::StatusOr<std::string> ChatTemplates::render(const ChatRequest& request,
                                                  const RenderLimits& limits) const {
  const absl::StatusOr<const ChatTemplate*> chosen = choose(request);
  if (!chosen.ok()) return chosen.status();
  const absl::StatusOr<Json> context = template_context(request, special_tokens_);
  if (!context.ok()) return context.status();
  absl::StatusOr<std::string> prompt = (*chosen)->render(*context, limits);
  if (!prompt.ok() || !request.continue_final_message) return prompt;
  return cut_at_final_message(request, *std::move(prompt));
}

}  // namespace tessera
