#pragma once
#include <cstdint>
#include <string_view>
#include <vector>
namespace tessera {
class SentencePieceModel {
 public:
  void encode(std::string_view, bool, std::vector<int32_t>*) const {}
};
}  // namespace tessera
