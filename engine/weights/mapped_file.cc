#include "engine/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/weights/message.h"

namespace tessera {
namespace {

absl::Status system_error(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, concat(path, ": ", what));
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK, because opening a FIFO put in a model folder would otherwise wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return system_error(path, "cannot open");
  MappedFile file(path, descriptor, nullptr, 0);

  struct stat facts = {};
  if (::fstat(descriptor, &facts) != 0) return system_error(path, "cannot stat");
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(concat(path, ": not a regular file"));
  }
  if (facts.st_size == 0) return file;
  const uint64_t size = static_cast<uint64_t>(facts.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED) return system_error(path, "cannot map");
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = size;
  // Advice only: reading ahead is what packing wants, and nothing depends on it.
  ::madvise(data, size, MADV_SEQUENTIAL);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::Status MappedFile::read(uint64_t offset, std::span<char> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path_, "cannot read");
    if (got == 0) {
      return absl::InvalidArgumentError(
          concat(path_, ": ends at byte ", offset, ", ", into.size(), " bytes too early"));
    }
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status MappedFile::check_unchanged() const {
  struct stat facts = {};
  if (::fstat(descriptor_, &facts) != 0) return system_error(path_, "cannot stat");
  if (static_cast<uint64_t>(facts.st_size) != size_) {
    return absl::FailedPreconditionError(concat(path_, ": changed from ", size_, " to ",
                                                facts.st_size,
                                                " bytes while the model was loading"));
  }
  return absl::OkStatus();
}

void MappedFile::release(std::span<const std::byte> range) const {
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(range.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + range.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace tessera
