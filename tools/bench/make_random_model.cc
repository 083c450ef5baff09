// make_random_model: a Hugging Face folder of a published shape with random weights, for measuring
// and testing at real sizes without downloading anything.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tools/bench/random_model/model_writer.h"

namespace {

constexpr const char* kUsage =
    "usage: make_random_model SHAPE FOLDER [--layers N] [--dtype bf16|f32] [--seed N]\n"
    "  SHAPE   one of %s\n"
    "  --layers N   as many layers as N instead of the published number\n"
    "  --dtype T    element type of the files, bf16 unless said\n"
    "  --seed N     the same seed writes the same bytes; 0 unless said\n";

int usage() {
  std::string names;
  for (const std::string& name : tessera::shape_names())
    names += (names.empty() ? "" : ", ") + name;
  std::fprintf(stderr, kUsage, names.c_str());
  return 2;
}

bool parse_number(const char* text, uint64_t max, uint64_t& value) {
  char* end = nullptr;
  value = std::strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == '\0' && value <= max;
}

bool parse_option(std::string_view name, const char* text, tessera::RandomModelOptions& options) {
  uint64_t number = 0;
  if (name == "--dtype") {
    options.dtype = std::string_view(text) == "f32" ? tessera::DType::kF32 : tessera::DType::kBf16;
    return std::string_view(text) == "f32" || std::string_view(text) == "bf16";
  }
  if (name == "--seed") return parse_number(text, UINT64_MAX, options.seed);
  if (name != "--layers" || !parse_number(text, 1024, number) || number == 0) return false;
  options.layers = static_cast<int>(number);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) return usage();
  const absl::StatusOr<tessera::ModelShape> shape = tessera::find_shape(argv[1]);
  tessera::RandomModelOptions options;
  options.folder = argv[2];
  for (int at = 3; at < argc; at += 2) {
    if (!parse_option(argv[at], argv[at + 1], options)) return usage();
  }
  if (!shape.ok()) {
    std::fprintf(stderr, "%s\n", std::string(shape.status().message()).c_str());
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<uint64_t> bytes = tessera::write_random_model(*shape, options);
  if (!bytes.ok()) {
    std::fprintf(stderr, "%s\n", std::string(bytes.status().message()).c_str());
    return 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%s: %.2f GB of weights in %.1f s\n", options.folder.c_str(), 1e-9 * *bytes,
              seconds.count());
  return 0;
}
