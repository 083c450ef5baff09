#include "engine/tokenize/model_proto.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {
namespace {

constexpr size_t kMaxPieceBytes = 512;  // the longest in use have 48

struct Field {
  uint32_t number = 0;
  uint32_t wire_type = 0;
  uint64_t value = 0;      // of a varint or a fixed field
  std::string_view bytes;  // of a length-delimited one
};

// The fields of one message, in order.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  // False: the bytes are no message.
  bool next(Field* field) {
    uint64_t key = 0;
    if (!varint(&key) || key >> 3 == 0 || key >> 3 > kMaxFieldNumber) return false;
    *field = {static_cast<uint32_t>(key >> 3), static_cast<uint32_t>(key & 7), 0, {}};
    switch (field->wire_type) {
      case kVarint:
        return varint(&field->value);
      case kFixed64:
        return fixed(8, &field->value);
      case kFixed32:
        return fixed(4, &field->value);
      case kBytes: {
        uint64_t length = 0;
        if (!varint(&length) || length > rest_.size()) return false;
        field->bytes = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return true;
      }
      default:
        return false;
    }
  }

  static constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

 private:
  static constexpr uint64_t kMaxFieldNumber = (1 << 29) - 1;

  bool varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }
  bool fixed(size_t width, uint64_t* value) {
    if (rest_.size() < width) return false;
    *value = 0;
    for (size_t index = 0; index < width; ++index) {
      *value |= static_cast<uint64_t>(static_cast<unsigned char>(rest_[index])) << (8 * index);
    }
    rest_.remove_prefix(width);
    return true;
  }

  std::string_view rest_;
};

class ProtoReader {
 public:
  explicit ProtoReader(const std::string& file) : errors_(file) {}

  const absl::Status& status() const { return errors_.status(); }

  ModelProto read(std::string_view bytes) {
    each_field(bytes, "", [&](const Field& field) {
      if (field.number == 1) read_piece(field);
      if (field.number == 2) read_trainer(field);
      if (field.number == 3) read_normalizer(field);
      if (field.number == 5) read_denormalizer(field);
    });
    if (errors_.ok()) check_pieces();
    return std::move(model_);
  }

 private:
  template <class Fn>
  void each_field(std::string_view bytes, std::string_view path, Fn fn) {
    WireReader reader(bytes);
    Field field;
    while (errors_.ok() && !reader.done()) {
      if (!reader.next(&field)) return errors_.add(path, "no valid protocol buffer");
      fn(field);
    }
  }

  // Typed values; a field of another wire type is an error.
  bool is(const Field& field, uint32_t wire_type, std::string_view path) {
    if (field.wire_type != wire_type) errors_.add(path, "has the wrong wire type");
    return field.wire_type == wire_type;
  }
  void flag(const Field& field, std::string_view path, bool* out) {
    if (is(field, WireReader::kVarint, path)) *out = field.value != 0;
  }
  void text(const Field& field, std::string_view path, std::string* out) {
    if (!is(field, WireReader::kBytes, path)) return;
    if (!is_valid_utf8(field.bytes)) return errors_.add(path, "is no valid UTF-8");
    *out = field.bytes;
  }

  void read_piece(const Field& message) {
    const std::string path = concat("pieces[", model_.pieces.size(), "]");
    if (!is(message, WireReader::kBytes, path)) return;
    if (model_.pieces.size() > static_cast<size_t>(kMaxTokenId)) {
      return errors_.add("pieces", concat("more than ", kMaxTokenId));
    }
    ModelPiece piece;
    each_field(message.bytes, path, [&](const Field& field) {
      if (field.number == 1) text(field, concat(path, ".piece"), &piece.text);
      if (field.number == 2 && is(field, WireReader::kFixed32, concat(path, ".score"))) {
        piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
        if (!std::isfinite(piece.score)) errors_.add(concat(path, ".score"), "is no finite number");
      }
      if (field.number == 3 && is(field, WireReader::kVarint, concat(path, ".type"))) {
        if (field.value < 1 || field.value > 6) {
          return errors_.add(concat(path, ".type"), concat(field.value, " is not known"));
        }
        piece.type = static_cast<PieceType>(field.value);
      }
    });
    if (piece.text.empty()) errors_.add(concat(path, ".piece"), "must not be empty");
    if (piece.text.size() > kMaxPieceBytes) {
      errors_.add(concat(path, ".piece"), concat("longer than ", kMaxPieceBytes, " bytes"));
    }
    model_.pieces.push_back(std::move(piece));
  }

  void read_trainer(const Field& message) {
    if (!is(message, WireReader::kBytes, "trainer_spec")) return;
    each_field(message.bytes, "trainer_spec", [&](const Field& field) {
      if (field.number == 3 && is(field, WireReader::kVarint, "trainer_spec.model_type")) {
        if (field.value != 1 && field.value != 2) {
          return errors_.add("trainer_spec.model_type",
                             concat(field.value, " is not supported; 1 (unigram) and 2 (BPE) are"));
        }
        model_.is_unigram = field.value == 1;
      }
      if (field.number == 24) {
        flag(field, "trainer_spec.treat_whitespace_as_suffix", &model_.treat_whitespace_as_suffix);
      }
      if (field.number == 35) flag(field, "trainer_spec.byte_fallback", &model_.byte_fallback);
      if (field.number == 45) text(field, "trainer_spec.unk_piece", &model_.unk_piece);
      if (field.number == 46) text(field, "trainer_spec.bos_piece", &model_.bos_piece);
      if (field.number == 47) text(field, "trainer_spec.eos_piece", &model_.eos_piece);
      if (field.number == 48) text(field, "trainer_spec.pad_piece", &model_.pad_piece);
    });
  }

  void read_normalizer(const Field& message) {
    if (!is(message, WireReader::kBytes, "normalizer_spec")) return;
    each_field(message.bytes, "normalizer_spec", [&](const Field& field) {
      if (field.number == 2 &&
          is(field, WireReader::kBytes, "normalizer_spec.precompiled_charsmap")) {
        model_.charsmap = field.bytes;
      }
      if (field.number == 3) {
        flag(field, "normalizer_spec.add_dummy_prefix", &model_.add_dummy_prefix);
      }
      if (field.number == 4) {
        flag(field, "normalizer_spec.remove_extra_whitespaces", &model_.remove_extra_whitespaces);
      }
      if (field.number == 5) {
        flag(field, "normalizer_spec.escape_whitespaces", &model_.escape_whitespaces);
      }
    });
  }

  void read_denormalizer(const Field& message) {
    if (!is(message, WireReader::kBytes, "denormalizer_spec")) return;
    each_field(message.bytes, "denormalizer_spec", [&](const Field& field) {
      if (field.number == 2 && !field.bytes.empty()) {
        errors_.add("denormalizer_spec.precompiled_charsmap", "is not supported");
      }
    });
  }

  void check_pieces() {
    if (model_.pieces.empty()) return errors_.add("pieces", "there are none");
    absl::flat_hash_set<std::string> seen;
    std::array<bool, 256> has_byte{};
    size_t unknown = 0;
    for (size_t id = 0; id < model_.pieces.size(); ++id) {
      const ModelPiece& piece = model_.pieces[id];
      const std::string path = concat("pieces[", id, "].piece");
      if (!seen.insert(piece.text).second) {
        return errors_.add(path, concat(shown(piece.text), " is listed twice"));
      }
      if (piece.type == PieceType::kUnknown) ++unknown;
      if (piece.type != PieceType::kByte) continue;
      const int byte = byte_of_piece(piece.text);
      if (byte < 0) return errors_.add(path, concat(shown(piece.text), " names no byte"));
      has_byte[byte] = true;
    }
    if (unknown != 1) return errors_.add("pieces", concat(unknown, " are unknown, not one"));
    for (int byte = 0; model_.byte_fallback && byte < 256; ++byte) {
      if (!has_byte[byte]) return errors_.add("pieces", concat("none for byte ", byte));
    }
  }

  ConfigErrors errors_;
  ModelProto model_;
};

}  // namespace

absl::StatusOr<ModelProto> parse_model_proto(std::string_view bytes, const std::string& file) {
  ProtoReader reader(file);
  ModelProto model = reader.read(bytes);
  if (!reader.status().ok()) return reader.status();
  return model;
}

}  // namespace tessera
