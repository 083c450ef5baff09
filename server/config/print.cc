#include "server/config/print.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config/fields.h"
#include "server/config/scalars.h"

namespace tessera {
namespace {

// Writes nested YAML from dotted paths that come grouped by section.
class Writer {
 public:
  explicit Writer(std::string head) : text_(std::move(head)) {}

  void line(const std::string& path, absl::string_view value, absl::string_view comment) {
    const std::string indent = open_sections(path);
    std::string text = absl::StrCat(indent, leaf(path), ": ", value);
    if (!comment.empty()) {
      text.append(text.size() < kCommentColumn ? kCommentColumn - text.size() : 1, ' ');
      absl::StrAppend(&text, " # ", comment);
    }
    absl::StrAppend(&text_, text, "\n");
  }
  void comment(const std::string& path, absl::string_view comment) {
    absl::StrAppend(&text_, open_sections(path), "# ", comment, "\n");
  }
  const std::string& text() const { return text_; }

 private:
  static constexpr size_t kCommentColumn = 44;

  static std::string leaf(const std::string& path) { return path.substr(path.rfind('.') + 1); }

  // Opens the sections of `path` that the line before did not share; gives the leaf's indentation.
  // An item of a list, "models[2]", is a section in one that is called "models".
  std::string open_sections(const std::string& path) {
    std::vector<std::string> sections;
    for (const absl::string_view name : absl::StrSplit(path, '.')) {
      const size_t bracket = name.find('[');
      sections.emplace_back(name.substr(0, bracket));
      if (bracket != name.npos) sections.emplace_back(name.substr(bracket));
    }
    sections.pop_back();
    const size_t shared =
        std::mismatch(sections.begin(), sections.end(), open_.begin(), open_.end()).first -
        sections.begin();
    for (size_t depth = shared; depth < sections.size(); ++depth)
      absl::StrAppend(&text_, depth == 0 ? "\n" : "", std::string(2 * depth, ' '),
                      sections[depth][0] == '[' ? "-" : sections[depth] + ":", "\n");
    open_ = sections;
    return std::string(2 * sections.size(), ' ');
  }

  std::string text_;
  std::vector<std::string> open_;
};

void write_technique(const Field& field, Writer& writer,
                     const std::function<std::string(const std::string&)>& origin) {
  const TechniqueSettings& technique = *std::get<TechniqueSettings*>(field.target);
  const std::string kind = field.path + ".kind";
  writer.line(kind, yaml_text(technique.kind), origin(kind));
  for (const auto& [name, value] : technique.params) {
    const std::string path = field.path + "." + name;
    writer.line(path, yaml_value(value), origin(path));
  }
}

// What an item of the list takes; as a comment, because the list is empty by default.
std::string model_list_reference() {
  ServerConfig config;
  config.diffusion_models.resize(1);
  const std::string prefix = model_path(0) + ".";
  std::string text = absl::StrCat("\n# ", kModelListMeaning, " (a list of at most ", kModelListMax,
                                  " maps):\n#   -\n");
  for (const Field& field : config_fields(config)) {
    if (!absl::StartsWith(field.path, prefix)) continue;
    absl::StrAppend(&text, "#     # ", field.meaning, " (", type_text(field), ")\n#     ",
                    field.path.substr(prefix.size()), ": ", value_text(field), "\n");
  }
  return absl::StrCat(text, kModelListKey, ": []\n");
}

}  // namespace

std::string print_config(const LoadedConfig& loaded) {
  ServerConfig config = loaded.config;
  const auto origin = [&](const std::string& path) {
    const auto found = loaded.origins.find(path);
    return found == loaded.origins.end() ? std::string("default") : found->second;
  };
  Writer writer("config_version: 1\n");
  for (const Field& field : config_fields(config)) {
    if (field.type == Field::Type::kTechnique) {
      write_technique(field, writer, origin);
    } else {
      writer.line(field.path, value_text(field), origin(field.path));
    }
  }
  return writer.text();
}

std::string print_reference() {
  ServerConfig config;
  Writer writer(
      "# Every setting of tesserad with its default, as `tesserad --help-config` prints it. Sizes\n"
      "# take B, KB, MB, GB, TB, KiB, MiB, GiB, TiB; times take ms, s, min, h and are seconds\n"
      "# without a unit. Relative paths start in the folder of the file that sets them.\n"
      "config_version: 1\n");
  for (const Field& field : config_fields(config)) {
    const bool technique = field.type == Field::Type::kTechnique;
    const std::string path = technique ? field.path + ".kind" : field.path;
    writer.comment(path, absl::StrCat(field.meaning, " (", type_text(field), ")"));
    writer.line(path, technique ? "none" : value_text(field), "");
  }
  return writer.text() + model_list_reference();
}

}  // namespace tessera
