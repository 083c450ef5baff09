// Parts of results put together and written: PNGs as they are, tensors as NumPy files (.npy, f32).
// Never holds more than the outputs under way. Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

class OutputFiles {
 public:
  enum class Kind {
    kImages,   // a file for each sample
    kFolders,  // a folder for each sample, with a file for each frame
    kNone,
  };

  // `out` names the file or folder, empty = image.png or video; %d in it stands for the sample's
  // number. INVALID_ARGUMENT: it has more than one.
  static absl::StatusOr<OutputFiles> create(Kind kind, const std::string& out, int64_t samples);

  // The file this part completes, or empty. INTERNAL: it does not follow the part before it.
  // PERMISSION_DENIED: the file cannot be written, in words.
  absl::StatusOr<std::string> take(const v1::OutputChunk& part);

  // What to tell of the files written: of frames their folder.
  std::vector<std::string> summary(const std::vector<std::string>& written) const;

 private:
  using Key = std::tuple<int32_t, int32_t, int32_t>;  // sample, frame, step of a preview

  OutputFiles(Kind kind, std::string out, bool several)
      : kind_(kind), out_(std::move(out)), several_(several) {}
  std::string place_of(int32_t sample) const;
  std::string name_of(const v1::OutputChunk& part) const;

  Kind kind_;
  std::string out_;
  bool several_;
  std::map<Key, std::string> under_way_;
};

// The head of a NumPy file of little-endian f32, row-major.
std::string npy_head(const google::protobuf::RepeatedField<int64_t>& shape);

}  // namespace tessera
