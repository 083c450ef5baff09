// The shapes of op tests, shared with kernels/bench: tests/shapes/<op>.txt, one shape a line as
// integers; `#` begins a comment.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::test {

// REQUIRES: every line has `fields` integers; an unreadable file gives no shapes.
inline std::vector<std::vector<int64_t>> read_shapes(const std::string& op, size_t fields) {
  std::vector<std::vector<int64_t>> shapes;
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/shapes/" + op + ".txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::vector<int64_t> shape;
    for (int64_t extent = 0; words >> extent;) shape.push_back(extent);
    if (shape.size() == fields) shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace tessera::test
