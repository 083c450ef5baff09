// tokenizer.model, the protocol buffer of a trained SentencePiece model, read by hand: the few
// fields that encoding and decoding need, each checked. Used by one loading thread; plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct ModelPiece {
  std::string text;  // valid UTF-8, not empty, unlike all others
  float score = 0;   // finite
  PieceType type = PieceType::kNormal;
};

struct ModelProto {
  std::vector<ModelPiece> pieces;  // by id
  bool is_unigram = true;          // else BPE
  bool byte_fallback = false;      // then there is a byte piece for each byte
  bool treat_whitespace_as_suffix = false;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";
  std::string charsmap;  // precompiled normalisation rules, see charsmap.h
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Errors name `file` and field.
absl::StatusOr<ModelProto> parse_model_proto(std::string_view bytes, const std::string& file);

}  // namespace tessera
