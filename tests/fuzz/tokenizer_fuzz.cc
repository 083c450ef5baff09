// Fuzzes a folder that holds only tokenizer.json (input starting with '{') or only tokenizer.model.
// What loads must encode any text to ids it knows, and stream exactly what it decodes.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/tokenize/incremental_text.h"
#include "engine/tokenize/tokenizer.h"

namespace {

namespace fs = std::filesystem;

// One folder for the whole process, in memory where the system allows; gone when the process ends.
struct Folder {
  Folder() {
    const char* const memory = "/dev/shm";
    const fs::path base = fs::is_directory(memory) ? fs::path(memory) : fs::temp_directory_path();
    std::string name = (base / "tokenizer_fuzz_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  fs::path path;
};

void check_text(const tessera::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const std::vector<int32_t> ids =
        tokenizer.encode(text, {.add_special_tokens = special, .parse_special = special});
    tessera::IncrementalText stream(tokenizer, special);
    std::string streamed;
    for (const int32_t id : ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
      streamed += stream.append(id);
    }
    streamed += stream.flush();
    if (streamed != tokenizer.decode(ids, special)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool is_json = input.starts_with('{');
  const char* const names[] = {"tokenizer.json", "tokenizer.model"};
  std::error_code error;
  fs::remove(folder.path / names[is_json], error);
  std::ofstream(folder.path / names[!is_json], std::ios::binary) << input;

  const auto tokenizer = tessera::Tokenizer::load(folder.path);
  if (!tokenizer.ok()) {
    if (tokenizer.status().message().empty()) std::abort();
    return 0;
  }
  check_text(**tokenizer,
             "a b  ab\t\xC3\x89\xE4\xBD\xA0 e\xCC\x81 it's 123 <s>\xEF\xBF\xBD\xFF x\n\n");
  check_text(**tokenizer, input.substr(0, 512));
  const auto last = static_cast<int32_t>((*tokenizer)->vocab_size());
  std::vector<int32_t> all;
  for (int32_t id = -1; id <= last && id < 300; ++id) all.push_back(id);
  (*tokenizer)->decode(all, false);
  return 0;
}
