// Fuzzes one .safetensors file. Every byte of every tensor of an accepted file is read, so that a
// span outside the file shows.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/weights/safetensors.h"

namespace {

// An unnamed file that holds the input, by a path that can be opened.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("fuzz", 0)) {
    if (descriptor_ < 0) std::abort();
    if (::write(descriptor_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile input(data, size);
  const absl::StatusOr<tessera::SafetensorsFile> file =
      tessera::SafetensorsFile::open(input.path());
  if (!file.ok()) {
    if (file.status().message().empty()) std::abort();
    return 0;
  }
  size_t seen = 0;
  volatile unsigned sum = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    for (const std::byte byte : file->bytes(tensor)) sum = sum + static_cast<unsigned>(byte);
    seen += file->bytes(tensor).size();
  }
  if (seen > size) std::abort();
  return 0;
}
