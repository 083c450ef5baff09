#include "tools/client/output_files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace tessera {
namespace {

constexpr int64_t kOutputBytesMax = int64_t{1} << 32;

absl::Status write_file(const std::string& file, const std::string& bytes) {
  const auto failed = [&](const std::string& why) {
    return absl::PermissionDeniedError(absl::StrCat("cannot write ", file, ": ", why));
  };
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code code;
  if (!folder.empty()) std::filesystem::create_directories(folder, code);
  if (code) return failed(code.message());
  std::ofstream out(file, std::ios::binary);
  if (!out) return failed(std::strerror(errno));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  return out.fail() ? failed("the disk may be full") : absl::OkStatus();
}

std::string with_extension(const std::string& name, const std::string& extension) {
  return std::filesystem::path(name).replace_extension(extension).string();
}

}  // namespace

absl::StatusOr<OutputFiles> OutputFiles::create(Kind kind, const std::string& out,
                                                int64_t samples) {
  const size_t first = out.find("%d");
  if (first != std::string::npos && out.find("%d", first + 1) != std::string::npos)
    return absl::InvalidArgumentError("--out: %d may stand in it once");
  const std::string standard = kind == Kind::kImages ? "image.png" : "video";
  return OutputFiles(kind, out.empty() ? standard : out, samples > 1);
}

// Several samples without %d in the name get their number before the extension.
std::string OutputFiles::place_of(int32_t sample) const {
  std::string name = out_;
  if (const size_t at = name.find("%d"); at != std::string::npos)
    return name.replace(at, 2, absl::StrCat(sample));
  if (!several_) return name;
  const std::filesystem::path path(name);
  return (path.parent_path() /
          absl::StrCat(path.stem().string(), "-", sample, path.extension().string()))
      .string();
}

std::string OutputFiles::name_of(const v1::OutputChunk& part) const {
  std::string name = place_of(part.sample());
  if (kind_ == Kind::kFolders)
    name = absl::StrCat(
        name, "/", part.has_frame() ? absl::StrFormat("frame_%04d.png", part.frame()) : "video");
  const bool png = part.content_type() == "image/png";
  std::string extension = png ? std::filesystem::path(name).extension().string() : ".npy";
  if (extension.empty()) extension = ".png";
  return with_extension(name, part.has_step() ? ".preview" + extension : extension);
}

absl::StatusOr<std::string> OutputFiles::take(const v1::OutputChunk& part) {
  const Key key{part.sample(), part.has_frame() ? part.frame() : -1,
                part.has_step() ? part.step() : -1};
  std::string& bytes = under_way_[key];
  const int64_t have = static_cast<int64_t>(bytes.size());
  const int64_t more = static_cast<int64_t>(part.data().size());
  if (part.offset() != have || part.total_bytes() > kOutputBytesMax ||
      more > part.total_bytes() - have)
    return absl::InternalError("the daemon sent parts of a result that do not fit together");
  bytes += part.data();
  if (have + more < part.total_bytes()) return std::string();
  const std::string file = name_of(part);
  const std::string head = part.content_type() == "image/png" ? "" : npy_head(part.shape());
  absl::Status status = write_file(file, head + bytes);
  under_way_.erase(key);
  if (!status.ok()) return status;
  return file;
}

std::vector<std::string> OutputFiles::summary(const std::vector<std::string>& written) const {
  if (kind_ != Kind::kFolders) return written;
  std::map<std::string, int> folders;
  for (const std::string& file : written)
    ++folders[std::filesystem::path(file).parent_path().string()];
  std::vector<std::string> lines;
  for (const auto& [folder, files] : folders)
    lines.push_back(absl::StrCat(folder, ": ", files, files == 1 ? " file" : " files"));
  return lines;
}

std::string npy_head(const google::protobuf::RepeatedField<int64_t>& shape) {
  std::string dictionary =
      absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (",
                   absl::StrJoin(shape, ", "), shape.size() == 1 ? ",)" : ")", ", }");
  // Magic, version and length take 10 bytes; all is padded to a multiple of 64 and ends in a
  // newline.
  const size_t unpadded = 10 + dictionary.size() + 1;
  dictionary.append((64 - unpadded % 64) % 64, ' ');
  dictionary += '\n';
  const auto length = static_cast<uint16_t>(dictionary.size());
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(length & 0xff);
  head += static_cast<char>(length >> 8);
  return head + dictionary;
}

}  // namespace tessera
