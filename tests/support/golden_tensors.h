// Reads the tensors of a golden.safetensors by name.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "engine/weights/safetensors.h"
#include "gtest/gtest.h"

namespace tessera {

class GoldenTensors {
 public:
  explicit GoldenTensors(const std::string& path) : file_(*SafetensorsFile::open(path)) {}

  bool has(const std::string& name) const { return file_.tensors().contains(name); }
  std::vector<int64_t> shape(const std::string& name) const {
    return file_.tensors().at(name).shape;
  }
  template <class T = float>
  std::vector<T> get(const std::string& name) const {
    const auto bytes = file_.bytes(file_.tensors().at(name));
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  SafetensorsFile file_;
};

}  // namespace tessera
