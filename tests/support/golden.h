// Reads what tests/golden/models keeps of each prompt, and compares logits with it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"
#include "gtest/gtest.h"

namespace tessera {

constexpr double kGoldenTolerance = 1e-4;  // of the logits' standard deviation

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

inline double deviation(const std::vector<float>& values) {
  double mean = 0, square = 0;
  for (float value : values) mean += value;
  mean /= static_cast<double>(values.size());
  for (float value : values) square += (value - mean) * (value - mean);
  return std::sqrt(square / static_cast<double>(values.size()));
}

// Largest difference at the golden rows, in standard deviations of the golden logits.
inline double error_of(const std::vector<float>& logits, const GoldenPrompt& golden,
                       int vocab_size) {
  double worst = 0;
  for (size_t row = 0; row < golden.rows.size(); ++row) {
    for (int id = 0; id < vocab_size; ++id) {
      const double found = logits[int64_t{golden.rows[row]} * vocab_size + id];
      worst = std::max(worst, std::abs(found - golden.logits[row * vocab_size + id]));
    }
  }
  return worst / deviation(golden.logits);
}

}  // namespace tessera
