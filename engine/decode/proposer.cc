#include "engine/decode/proposer.h"

namespace tessera {

void merge_chain(std::span<const int32_t> chain, int drafts_max, Draft& draft) {
  int32_t at = -1;
  for (int32_t token : chain) {
    int32_t child = -1;
    for (size_t node = 0; node < draft.tokens.size(); ++node) {
      if (draft.parents[node] == at && draft.tokens[node] == token) {
        child = static_cast<int32_t>(node);
        break;
      }
    }
    if (child < 0) {
      if (static_cast<int>(draft.tokens.size()) >= drafts_max) return;
      child = static_cast<int32_t>(draft.tokens.size());
      draft.tokens.push_back(token);
      draft.parents.push_back(at);
    }
    at = child;
  }
}

}  // namespace tessera
