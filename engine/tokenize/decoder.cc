#include "engine/tokenize/decoder.h"

#include <algorithm>
#include <utility>

#include "engine/tokenize/decoder_stages.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 32;
constexpr size_t kMaxText = 1024;  // bytes of a pattern or a replacement
constexpr size_t kMaxGrowth = 256;
constexpr int kMaxStrip = 64;  // characters

std::string one_character(const ConfigNode& node) {
  std::string text = node.text();
  const bool is_one =
      !text.empty() && code_point_at(text, 0).bytes == static_cast<int>(text.size());
  if (!is_one) node.refuse_value("must be one character");
  return text;
}

DecoderStep read_replace(const ConfigNode& node) {
  DecoderStep step{.kind = DecoderStep::Kind::kReplace};
  const ConfigNode pattern = node["pattern"];
  if (pattern.is_object() && !pattern["Regex"].is_absent()) {
    pattern["Regex"].refuse_value("is not supported; only a \"String\" pattern is");
    return step;
  }
  step.pattern = pattern["String"].text();
  step.content = node["content"].text();
  if (step.pattern.empty()) pattern["String"].refuse("must not be empty");
  if (std::max(step.pattern.size(), step.content.size()) > kMaxText) {
    node.refuse(concat("a text of more than ", kMaxText, " bytes"));
  }
  return step;
}

}  // namespace

Decoder Decoder::read(const ConfigNode& node) {
  Decoder decoder;
  if (node.is_absent()) {
    decoder.steps_.push_back({.kind = DecoderStep::Kind::kJoinWithSpaces});
    return decoder;
  }
  decoder.read_step(node, 0);
  size_t growth = 1;
  for (const DecoderStep& step : decoder.steps_) {
    if (step.kind != DecoderStep::Kind::kReplace || step.pattern.empty()) continue;
    growth *=
        std::max<size_t>(1, (step.content.size() + step.pattern.size() - 1) / step.pattern.size());
    if (growth > kMaxGrowth) {
      node.refuse(concat("may make text more than ", kMaxGrowth, " times longer"));
      break;
    }
  }
  return decoder;
}

Decoder Decoder::sentence_piece(SentencePieceRules rules) {
  Decoder decoder;
  decoder.steps_.push_back({.kind = DecoderStep::Kind::kSentencePiece});
  decoder.rules_ = std::move(rules);
  return decoder;
}

void Decoder::read_step(const ConfigNode& node, int depth) {
  if (!node.errors().ok()) return;
  const std::string type = node["type"].text();
  if (type == "Sequence") {
    if (depth == kMaxDepth) return node.refuse("nested too deeply");
    const ConfigNode list = node["decoders"];
    for (size_t index = 0; index < list.size(); ++index) read_step(list.at(index), depth + 1);
    return;
  }
  if (steps_.size() == kMaxSteps) return node.refuse(concat("more than ", kMaxSteps, " steps"));
  DecoderStep step{.kind = DecoderStep::Kind::kFuse};
  if (type == "ByteLevel") {
    step.kind = DecoderStep::Kind::kByteLevel;
  } else if (type == "ByteFallback") {
    step.kind = DecoderStep::Kind::kByteFallback;
  } else if (type == "Strip") {
    step.kind = DecoderStep::Kind::kStrip;
    step.pattern = one_character(node["content"]);
    step.start = static_cast<size_t>(node["start"].integer(0, kMaxStrip));
    step.stop = static_cast<size_t>(node["stop"].integer(0, kMaxStrip));
  } else if (type == "Replace") {
    step = read_replace(node);
  } else if (type == "Metaspace") {
    step.kind = DecoderStep::Kind::kMetaspace;
    step.pattern = one_character(node["replacement"]);
    const std::string scheme = node["prepend_scheme"].text_or("always");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      node["prepend_scheme"].refuse_value("must be \"first\", \"always\" or \"never\"");
    }
    step.drops_first = scheme != "never";
    if (!node["add_prefix_space"].flag_or(true) && step.drops_first) {
      node["add_prefix_space"].refuse("false contradicts prepend_scheme");
    }
  } else if (type != "Fuse") {
    return node["type"].refuse_value("is not a supported decoder");
  }
  steps_.push_back(std::move(step));
}

std::unique_ptr<DecoderStream> Decoder::stream() const {
  auto stream = std::make_unique<DecoderStream>();
  stream->stages_.push_back(make_text_sink(&stream->pending_));
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    stream->stages_.push_back(make_stage(*step, rules_, stream->stages_.back().get()));
  }
  return stream;
}

void DecoderStream::append(std::string_view token, std::string* out) {
  stages_.back()->text(token);
  stages_.back()->end();
  out->append(pending_);
  pending_.clear();
}

void DecoderStream::finish(std::string* out) {
  stages_.back()->finish();
  out->append(pending_);
  pending_.clear();
}

}  // namespace tessera
