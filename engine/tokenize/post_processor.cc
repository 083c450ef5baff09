#include "engine/tokenize/post_processor.h"

#include <utility>

#include "engine/tokenize/text.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxParts = 64;

}  // namespace

PostProcessor PostProcessor::read(const ConfigNode& node) {
  PostProcessor processor;
  if (!node.is_absent()) processor.read_step(node, 0);
  return processor;
}

PostProcessor PostProcessor::around(std::optional<int32_t> before, std::optional<int32_t> after) {
  PostProcessor processor;
  processor.has_template_ = true;
  if (before) processor.parts_.push_back({false, {*before}});
  processor.parts_.push_back({true, {}});
  if (after) processor.parts_.push_back({false, {*after}});
  return processor;
}

void PostProcessor::read_step(const ConfigNode& node, int depth) {
  if (!node.errors().ok()) return;
  const std::string type = node["type"].text();
  if (type == "Sequence") {
    if (depth == kMaxDepth) return node.refuse("nested too deeply");
    const ConfigNode list = node["processors"];
    for (size_t index = 0; index < list.size(); ++index) read_step(list.at(index), depth + 1);
  } else if (type == "TemplateProcessing") {
    if (has_template_) return node.refuse("a second TemplateProcessing is not supported");
    read_template(node);
  } else if (type != "ByteLevel") {  // ByteLevel trims offsets only, and there are none here
    node["type"].refuse_value("is not a supported post-processor");
  }
}

void PostProcessor::read_template(const ConfigNode& node) {
  has_template_ = true;
  const ConfigNode single = node["single"];
  if (single.size() > kMaxParts) {
    return single.refuse(concat("more than ", kMaxParts, " parts"));
  }
  for (size_t index = 0; index < single.size(); ++index) {
    const ConfigNode piece = single.at(index);
    const ConfigNode special = piece["SpecialToken"];
    Part part;
    if (special.is_absent()) {
      const ConfigNode sequence = piece["Sequence"]["id"];
      if (sequence.text() != "A") sequence.refuse_value("must be \"A\" in a single template");
      part.is_text = true;
    } else {
      const std::string name = special["id"].text();
      const ConfigNode ids = node["special_tokens"][name]["ids"];
      if (ids.size() > kMaxParts) ids.refuse(concat("more than ", kMaxParts, " ids"));
      for (size_t at = 0; at < ids.size() && node.errors().ok(); ++at) {
        part.ids.push_back(static_cast<int32_t>(ids.at(at).integer(0, kMaxTokenId)));
      }
    }
    parts_.push_back(std::move(part));
  }
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> text,
                                          bool add_special_tokens) const {
  if (!has_template_) return text;
  std::vector<int32_t> ids;
  for (const Part& part : parts_) {
    if (part.is_text) {
      ids.insert(ids.end(), text.begin(), text.end());
    } else if (add_special_tokens) {
      ids.insert(ids.end(), part.ids.begin(), part.ids.end());
    }
  }
  return ids;
}

std::vector<int32_t> PostProcessor::added_ids() const {
  std::vector<int32_t> ids;
  for (const Part& part : parts_) ids.insert(ids.end(), part.ids.begin(), part.ids.end());
  return ids;
}

}  // namespace tessera
