#include "server/config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config/address.h"
#include "server/config/fields.h"
#include "server/config/scalars.h"
#include "server/config/served_name.h"
#include "server/config/yaml_tree.h"

namespace tessera {
namespace {

constexpr absl::string_view kVersionKey = "config_version";

bool is_name(absl::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == absl::string_view::npos;
}

// Walks one tree beside the table of fields.
class Reader {
 public:
  // `flag` empty: positions are `name`:line:column; else they are the flag.
  Reader(LoadedConfig& loaded, absl::string_view name, absl::string_view flag,
         absl::string_view folder)
      : loaded_(loaded),
        fields_(config_fields(loaded.config)),
        name_(name),
        flag_(flag),
        folder_(folder) {}

  absl::Status read_map(const YamlNode& map, const std::string& prefix) {
    std::map<std::string, int> seen;
    for (const auto& [key, value] : map.entries) {
      const auto [first, fresh] = seen.emplace(key.text, key.line);
      const std::string path = prefix + key.text;
      if (!fresh)
        return error(key, path, absl::StrCat("is given twice; first in line ", first->second));
      if (absl::Status status = read_entry(key, value, path, prefix); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status error(const YamlNode& at, absl::string_view path, absl::string_view what) const {
    const std::string where =
        flag_.empty() ? absl::StrCat(name_, ":", at.line, ":", at.column) : flag_;
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", path.substr(0, 200), " ", what));
  }

 private:
  absl::Status read_entry(const YamlNode& key, const YamlNode& value, const std::string& path,
                          const std::string& prefix) {
    if (path == kVersionKey) {
      if (value.kind == YamlNode::Kind::kScalar && !value.quoted && value.text == "1")
        return absl::OkStatus();
      return error(value, path, "must be 1, the only version there is");
    }
    if (path == kModelListKey) return read_models(value);
    for (const Field& field : fields_) {
      if (field.path == path)
        return field.type == Field::Type::kTechnique ? read_technique(field, value, path)
                                                     : read_field(field, value, path);
    }
    const bool is_section = std::any_of(fields_.begin(), fields_.end(), [&](const Field& field) {
      return absl::StartsWith(field.path, path + ".");
    });
    if (!is_section) return unknown(key, path, prefix);
    if (value.kind == YamlNode::Kind::kNull) return absl::OkStatus();
    if (value.kind != YamlNode::Kind::kMap)
      return error(value, path, "is a section; it holds keys, not a value");
    return read_map(value, path + ".");
  }

  // A list takes the place of one that an earlier source has set.
  absl::Status read_models(const YamlNode& list) {
    const std::string path(kModelListKey);
    if (list.kind != YamlNode::Kind::kList)
      return error(list, path, "is a list of maps, each with a path");
    if (list.items.size() > kModelListMax)
      return error(list, path,
                   absl::StrCat("has ", list.items.size(), " models, at most ", kModelListMax));
    const auto first = loaded_.origins.lower_bound(path);
    const auto last = loaded_.origins.lower_bound(path + "]");
    loaded_.origins.erase(first, last);
    loaded_.config.diffusion_models.assign(list.items.size(), {});
    fields_ = config_fields(loaded_.config);
    for (size_t index = 0; index < list.items.size(); ++index) {
      const YamlNode& item = list.items[index];
      const std::string at = model_path(index);
      if (item.kind != YamlNode::Kind::kMap) return error(item, at, "is a map with a path");
      if (absl::Status status = read_map(item, at + "."); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status read_field(const Field& field, const YamlNode& value, const std::string& path) {
    if (absl::Status status = assign(field, value, folder_); !status.ok())
      return error(value, path, status.message());
    remember(path, value);
    return absl::OkStatus();
  }

  absl::Status read_technique(const Field& field, const YamlNode& value, const std::string& path) {
    TechniqueSettings& technique = *std::get<TechniqueSettings*>(field.target);
    if (value.kind != YamlNode::Kind::kMap)
      return error(value, path, "is a map: kind, and the technique's own keys");
    std::map<std::string, int> seen;
    // The kind goes first wherever it stands, because the other keys are its own.
    for (const bool kinds : {true, false}) {
      for (const auto& [key, entry] : value.entries) {
        if ((key.text == "kind") != kinds) continue;
        const std::string inner = path + "." + key.text;
        const auto [first, fresh] = seen.emplace(key.text, key.line);
        if (!fresh)
          return error(key, inner, absl::StrCat("is given twice; first in line ", first->second));
        if (!is_name(key.text)) return error(key, inner, "is not a name of lower-case letters");
        if (entry.kind != YamlNode::Kind::kScalar)
          return error(entry, inner, "expected one value: true or false, a number or text");
        if (kinds) {
          set_kind(technique, path, entry.text);
        } else {
          absl::StatusOr<PolicyValue> read =
              entry.quoted ? PolicyValue(entry.text) : parse_untyped(entry.text);
          if (!read.ok()) return error(entry, inner, read.status().message());
          technique.params[key.text] = *std::move(read);
        }
        remember(inner, entry);
      }
    }
    if (technique.kind == "none" && !technique.params.empty())
      return error(value, path, "has parameters but no kind");
    return absl::OkStatus();
  }

  // Another kind does not inherit what an earlier source set for its predecessor.
  void set_kind(TechniqueSettings& technique, const std::string& path, const std::string& kind) {
    if (technique.kind != kind) {
      for (const auto& [name, value] : technique.params) loaded_.origins.erase(path + "." + name);
      technique.params.clear();
    }
    technique.kind = kind;
  }

  absl::Status unknown(const YamlNode& key, const std::string& path, const std::string& prefix) {
    std::vector<std::string> siblings, elsewhere;
    if (prefix.empty()) {
      siblings.emplace_back(kVersionKey);
      siblings.emplace_back(kModelListKey);
    }
    for (const Field& field : fields_) {
      if (absl::StartsWith(field.path, prefix)) {
        const std::vector<std::string> rest =
            absl::StrSplit(field.path.substr(prefix.size()), absl::MaxSplits('.', 1));
        siblings.push_back(rest.front());
      }
      if (absl::EndsWith(field.path, "." + key.text)) elsewhere.push_back(field.path);
    }
    const std::string near =
        elsewhere.empty() ? nearest_key(key.text, siblings) : elsewhere.front();
    return error(key, path,
                 near.empty() ? "is not a known key"
                              : absl::StrCat("is not a known key; did you mean '", near, "'?"));
  }

  void remember(const std::string& path, const YamlNode& value) {
    loaded_.origins[path] = flag_.empty() ? absl::StrCat(name_, ":", value.line) : flag_;
  }

  LoadedConfig& loaded_;
  std::vector<Field> fields_;
  std::string name_, flag_, folder_;
};

absl::StatusOr<std::string> read_text(const std::string& file) {
  std::error_code code;
  if (std::filesystem::is_directory(file, code))
    return absl::NotFoundError(absl::StrCat(file, ": is a folder, not a configuration file"));
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(file, ": ", std::strerror(errno)));
  // One byte beyond the limit is enough to know that it is too large, whatever the file is.
  std::string text(kYamlBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return absl::NotFoundError(absl::StrCat(file, ": cannot be read"));
  return text;
}

absl::Status check_address(const LoadedConfig& loaded, const std::string& path,
                           const std::string& text) {
  absl::StatusOr<Address> address = parse_address(text);
  if (!address.ok()) return address.status();
  if (is_loopback(*address) || loaded.config.allow_insecure) return absl::OkStatus();
  const auto origin = loaded.origins.find(path);
  return absl::InvalidArgumentError(absl::StrCat(
      origin == loaded.origins.end() ? "" : origin->second + ": ", path, " ", text,
      " can be reached from other machines, and this version has neither TLS nor tokens; use a "
      "loopback address, or set server.allow_insecure: true to let everyone in"));
}

// Clients tell models apart by their names.
absl::Status check_models(const ServerConfig& config) {
  if (config.engine.model.path.empty() && config.diffusion_models.empty())
    return absl::InvalidArgumentError(
        "model.path is not set; give a model folder with --model or --diffusion-model, or in the "
        "configuration file");
  std::map<std::string, std::string> owners;
  if (!config.engine.model.path.empty()) owners[served_name(config.engine.model)] = "model";
  for (size_t index = 0; index < config.diffusion_models.size(); ++index) {
    const DiffusionModelSettings& model = config.diffusion_models[index];
    const std::string at = model_path(index);
    if (model.path.empty())
      return absl::InvalidArgumentError(
          absl::StrCat(at, ".path is not set; each model needs its folder"));
    const auto [owner, fresh] = owners.emplace(served_name(model), at);
    if (!fresh)
      return absl::InvalidArgumentError(absl::StrCat(at, " has the name of ", owner->second, ", '",
                                                     owner->first, "'; give it another name"));
  }
  if (config.diffusion_models.size() > kModelListMax)
    return absl::InvalidArgumentError(
        absl::StrCat(kModelListKey, " has more than ", kModelListMax, " models"));
  return absl::OkStatus();
}

}  // namespace

absl::Status apply_yaml(absl::string_view text, absl::string_view name, absl::string_view folder,
                        LoadedConfig& loaded) {
  absl::StatusOr<YamlNode> tree = parse_yaml(text, name);
  if (!tree.ok()) return tree.status();
  Reader reader(loaded, name, "", folder);
  const auto is_version = [](const YamlEntry& entry) { return entry.key.text == kVersionKey; };
  if (tree->kind != YamlNode::Kind::kMap ||
      std::none_of(tree->entries.begin(), tree->entries.end(), is_version))
    return reader.error(*tree, kVersionKey, "is missing; the file must say config_version: 1");
  return reader.read_map(*tree, "");
}

absl::Status apply_set(absl::string_view assignment, LoadedConfig& loaded) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos || equals == 0)
    return absl::InvalidArgumentError(
        absl::StrCat("--set ", assignment.substr(0, 200), ": write path.to.key=value"));
  const absl::string_view path = assignment.substr(0, equals);
  const std::string flag = absl::StrCat("--set ", path.substr(0, 200));
  absl::StatusOr<YamlNode> value = parse_yaml(assignment.substr(equals + 1), flag);
  if (!value.ok()) return value.status();
  const std::vector<std::string> keys = absl::StrSplit(path, '.');
  if (keys.size() > kYamlDepthMax)
    return absl::InvalidArgumentError(absl::StrCat(flag, " is not a known key"));
  YamlNode tree = *std::move(value);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    YamlNode map;
    map.kind = YamlNode::Kind::kMap;
    map.entries.resize(1);
    map.entries[0].key.kind = YamlNode::Kind::kScalar;
    map.entries[0].key.text = *key;
    map.entries[0].value = std::move(tree);
    tree = std::move(map);
  }
  std::error_code code;
  return Reader(loaded, "", flag, std::filesystem::current_path(code).string()).read_map(tree, "");
}

absl::Status check_config(const LoadedConfig& loaded) {
  const ServerConfig& config = loaded.config;
  absl::Status status = check_models(config);
  if (!status.ok()) return status;
  status = check_address(loaded, "server.grpc_address", config.grpc_address);
  if (status.ok() && config.metrics_enabled)
    status = check_address(loaded, "server.metrics_address", config.metrics_address);
  return status;
}

absl::StatusOr<LoadedConfig> load_config(const ConfigSources& sources) {
  LoadedConfig loaded;
  if (!sources.file.empty()) {
    absl::StatusOr<std::string> text = read_text(sources.file);
    if (!text.ok()) return text.status();
    std::error_code code;
    const std::filesystem::path folder =
        std::filesystem::absolute(sources.file, code).parent_path();
    absl::Status status = apply_yaml(*text, sources.file, folder.string(), loaded);
    if (!status.ok()) return status;
  }
  for (const std::string& assignment : sources.sets) {
    if (absl::Status status = apply_set(assignment, loaded); !status.ok()) return status;
  }
  for (const std::string& folder : sources.diffusion_models) {
    loaded.origins[model_path(loaded.config.diffusion_models.size()) + ".path"] =
        "--diffusion-model";
    loaded.config.diffusion_models.emplace_back().path = folder;
  }
  if (!sources.model.empty()) {
    loaded.config.engine.model.path = sources.model;
    loaded.origins["model.path"] = "--model";
  }
  if (absl::Status status = check_config(loaded); !status.ok()) return status;
  return loaded;
}

}  // namespace tessera
