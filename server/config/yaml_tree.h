// A YAML document as a tree that remembers where everything stands. Only what a settings file
// needs: one document of maps, lists and scalars. Tags, anchors, aliases and merge keys are
// refused, so a small file cannot stand for a large tree; depth, nodes and bytes are bounded. Pure;
// any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tessera {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1, column = 1;  // from 1
  std::string text;          // of a scalar
  bool quoted = false;       // so it is text, whatever it looks like
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // in file order; keys may repeat
};

struct YamlEntry {
  YamlNode key, value;
};

constexpr size_t kYamlBytesMax = 1 << 20;
constexpr int kYamlDepthMax = 16;
constexpr int kYamlNodesMax = 20000;

// INVALID_ARGUMENT: "name:line:column: what is wrong". An empty document is a null node.
absl::StatusOr<YamlNode> parse_yaml(absl::string_view text, absl::string_view name);

}  // namespace tessera
