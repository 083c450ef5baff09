// Writes prompts and their embeddings as the safetensors file that a model folder may hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera {

struct PromptRows {
  std::string prompt;  // plain letters
  std::vector<int64_t> shape;
  std::vector<float> values;
};

inline void write_prompt_file(const std::filesystem::path& path,
                              const std::vector<PromptRows>& prompts) {
  std::ostringstream header;
  std::vector<float> data;
  const char* before = "{";
  for (const PromptRows& rows : prompts) {
    const size_t begin = data.size() * sizeof(float);
    data.insert(data.end(), rows.values.begin(), rows.values.end());
    header << before << '"' << rows.prompt << R"(":{"dtype":"F32","shape":[)";
    for (size_t axis = 0; axis < rows.shape.size(); ++axis) {
      header << (axis == 0 ? "" : ",") << rows.shape[axis];
    }
    header << R"(],"data_offsets":[)" << begin << "," << data.size() * sizeof(float) << "]}";
    before = ",";
  }
  header << "}";
  const uint64_t size = header.str().size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file << header.str();
  file.write(reinterpret_cast<const char*>(data.data()),
             static_cast<std::streamsize>(data.size() * sizeof(float)));
}

}  // namespace tessera
