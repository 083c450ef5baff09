#include "engine/tokenize/utf8.h"

namespace tessera {

void append_utf8(char32_t value, std::string* out) {
  const auto put = [&](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

void LossyUtf8::append(std::string_view bytes, std::string* out) {
  for (const char character : bytes) {
    const auto byte = static_cast<unsigned char>(character);
    if (missing_ > 0) {
      if (byte >= lowest_ && byte <= highest_) {
        pending_[kept_++] = character;
        lowest_ = 0x80;
        highest_ = 0xBF;
        if (--missing_ == 0) {
          out->append(pending_.data(), kept_);
          reset();
        }
        continue;
      }
      out->append(kReplacementUtf8);
      reset();
    }
    if (byte < 0x80) {
      out->push_back(character);
      continue;
    }
    if (byte < 0xC2 || byte > 0xF4) {
      out->append(kReplacementUtf8);
      continue;
    }
    missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    // The second byte excludes overlong forms, surrogates and values beyond U+10FFFF.
    lowest_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    highest_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    pending_[kept_++] = character;
  }
}

void LossyUtf8::finish(std::string* out) {
  if (missing_ > 0) out->append(kReplacementUtf8);
  lowest_ = 0x80;
  highest_ = 0xBF;
  reset();
}

std::string lossy_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  LossyUtf8 reader;
  reader.append(bytes, &out);
  reader.finish(&out);
  return out;
}

bool is_valid_utf8(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    if (lead < 0xC2 || lead > 0xF4) return false;
    const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes.size() - at < length) return false;
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    if (second < (lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80)) return false;
    if (second > (lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF)) return false;
    for (size_t offset = 2; offset < length; ++offset) {
      if ((static_cast<unsigned char>(bytes[at + offset]) & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace tessera
