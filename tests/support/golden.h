// Reads what tests/golden/models keeps of each prompt.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"
#include "gtest/gtest.h"

namespace tessera {

// What tests/golden/models keeps of one prompt.
struct GoldenPrompt {
  std::vector<int32_t> ids, rows, greedy;
  std::vector<float> logits;  // [rows, V]
};

inline GoldenPrompt read_golden(const std::string& folder, int prompt) {
  const auto file = SafetensorsFile::open(folder + "/golden.safetensors");
  EXPECT_TRUE(file.ok()) << file.status();
  const auto read = [&]<class T>(const std::string& name, std::vector<T>& out) {
    const auto bytes =
        file->bytes(file->tensors().at("prompt_" + std::to_string(prompt) + "." + name));
    out.resize(bytes.size() / sizeof(T));
    std::memcpy(out.data(), bytes.data(), bytes.size());
  };
  GoldenPrompt golden;
  read("ids", golden.ids);
  read("rows", golden.rows);
  read("greedy", golden.greedy);
  read("logits", golden.logits);
  return golden;
}

}  // namespace tessera
