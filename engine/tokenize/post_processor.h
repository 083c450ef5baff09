// The "post_processor" of tokenizer.json for one text: the special tokens put before and after it.
// Read once at load; immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/tokenize/config_node.h"

namespace tessera {

class PostProcessor {
 public:
  // An absent node adds nothing. Mistakes are recorded in the node's errors.
  static PostProcessor read(const ConfigNode& node);
  // The form of a SentencePiece model: an optional token before and one after the text.
  static PostProcessor around(std::optional<int32_t> before, std::optional<int32_t> after);

  std::vector<int32_t> apply(std::vector<int32_t> text, bool add_special_tokens) const;
  // Ids that apply() may add; the loader checks them against the vocabulary.
  std::vector<int32_t> added_ids() const;

 private:
  struct Part {
    bool is_text = false;
    std::vector<int32_t> ids;  // special tokens otherwise
  };

  void read_step(const ConfigNode& node, int depth);
  void read_template(const ConfigNode& node);

  bool has_template_ = false;
  std::vector<Part> parts_;  // in order; meaningful with has_template_
};

}  // namespace tessera
