#include "server/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

absl::Status error_at(absl::string_view name, int line, int column, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ":", line, ":", column, ": ", what));
}

// Length of the well-formed UTF-8 sequence at `at`, or 0.
size_t utf8_length(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(at), second = byte(at + 1);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(at + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!follows(at + 1) || !follows(at + 2)) return 0;
    const bool overlong = lead == 0xe0 && second < 0xa0, surrogate = lead == 0xed && second >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!follows(at + 1) || !follows(at + 2) || !follows(at + 3)) return 0;
    return (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90) ? 0 : 4;
  }
  return 0;
}

absl::Status check_bytes(absl::string_view text, absl::string_view name) {
  if (text.size() > kYamlBytesMax)
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": has ", text.size(), " bytes; a configuration file has at most ", kYamlBytesMax));
  int line = 1, column = 1;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    if (length == 0) return error_at(name, line, column, "is not UTF-8");
    const unsigned char c = text[at];
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
      return error_at(name, line, column, "has a control character");
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
    at += length;
  }
  return absl::OkStatus();
}

// Builds the tree from yaml-cpp's events. The first thing that is wrong is kept; what follows it is
// counted but not stored.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(absl::string_view name) : name_(name) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "a second document; a configuration file has one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, "", anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (YamlNode* node = add(mark, tag, anchor, YamlNode::Kind::kScalar)) {
      node->text = value;
      node->quoted = tag == "!";
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(add(mark, tag, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(add(mark, tag, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { close(); }

  bool failed() const { return !status_.ok(); }
  absl::StatusOr<YamlNode> finish() {
    if (!status_.ok()) return status_;
    return std::move(root_);
  }

 private:
  void refuse(const YAML::Mark& mark, absl::string_view what) {
    if (status_.ok()) status_ = error_at(name_, mark.line + 1, mark.column + 1, what);
  }

  // Only the innermost open node grows, so pointers to the outer ones stay valid.
  YamlNode* add(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                YamlNode::Kind kind) {
    if (anchor != 0) refuse(mark, "anchors are not supported; write the value out");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags are not supported");
    if (++nodes_ > kYamlNodesMax)
      refuse(mark, absl::StrCat("more than ", kYamlNodesMax, " values"));
    if (failed()) return nullptr;
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    if (open_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    YamlNode& parent = *open_.back().node;
    if (parent.kind == YamlNode::Kind::kList) {
      parent.items.push_back(std::move(node));
      return &parent.items.back();
    }
    if (open_.back().wants_key) {
      if (kind != YamlNode::Kind::kScalar) refuse(mark, "a key must be a word");
      if (failed()) return nullptr;
      open_.back().wants_key = false;
      parent.entries.push_back({std::move(node), YamlNode{}});
      return &parent.entries.back().key;
    }
    open_.back().wants_key = true;
    parent.entries.back().value = std::move(node);
    return &parent.entries.back().value;
  }

  void open(YamlNode* node, const YAML::Mark& mark) {
    if (open_.size() >= kYamlDepthMax)
      refuse(mark, absl::StrCat("nested more than ", kYamlDepthMax, " deep"));
    if (!failed()) open_.push_back({node, true});
  }
  void close() {
    if (!failed()) open_.pop_back();
  }

  struct Open {
    YamlNode* node;
    bool wants_key;  // of a map: the next node is a key
  };
  std::string name_;
  absl::Status status_;
  YamlNode root_;
  std::vector<Open> open_;
  int documents_ = 0, nodes_ = 0;
};

}  // namespace

absl::StatusOr<YamlNode> parse_yaml(absl::string_view text, absl::string_view name) {
  if (absl::Status status = check_bytes(text, name); !status.ok()) return status;
  TreeBuilder builder(name);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (!builder.failed())
      return error_at(name, error.mark.line + 1, error.mark.column + 1,
                      absl::StrCat("is not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": cannot be read: ", error.what()));
  }
  return builder.finish();
}

}  // namespace tessera
