#include "tools/client/output_files.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/temporary_folder.h"
#include "tools/client/tensor_json.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using Kind = OutputFiles::Kind;

std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

v1::OutputChunk part(int32_t sample, const std::string& data, int64_t total, int64_t offset) {
  v1::OutputChunk chunk;
  chunk.set_sample(sample);
  chunk.set_content_type("image/png");
  chunk.set_data(data);
  chunk.set_total_bytes(total);
  chunk.set_offset(offset);
  return chunk;
}

TEST(OutputFiles, PartsBecomeAFile) {
  const TemporaryFolder folder;
  const std::string name = folder.path().string() + "/new/cat.png";
  auto files = *OutputFiles::create(Kind::kImages, name, 1);
  EXPECT_EQ(*files.take(part(0, "abc", 5, 0)), "");
  EXPECT_EQ(*files.take(part(0, "de", 5, 3)), name);
  EXPECT_EQ(read(name), "abcde");
}

TEST(OutputFiles, NamesOfSeveral) {
  const TemporaryFolder folder;
  auto numbered = *OutputFiles::create(Kind::kImages, folder.path().string() + "/cat.png", 2);
  EXPECT_EQ(*numbered.take(part(1, "a", 1, 0)), folder.path().string() + "/cat-1.png");
  auto pattern = *OutputFiles::create(Kind::kImages, folder.path().string() + "/%d/cat.png", 2);
  EXPECT_EQ(*pattern.take(part(1, "a", 1, 0)), folder.path().string() + "/1/cat.png");
  auto plain = *OutputFiles::create(Kind::kImages, folder.path().string() + "/cat", 1);
  EXPECT_EQ(*plain.take(part(0, "a", 1, 0)), folder.path().string() + "/cat.png");
  v1::OutputChunk preview = part(0, "a", 1, 0);
  preview.set_step(5);
  EXPECT_EQ(*plain.take(preview), folder.path().string() + "/cat.preview.png");
  EXPECT_THAT(std::string(OutputFiles::create(Kind::kImages, "%d-%d.png", 2).status().message()),
              HasSubstr("once"));
}

TEST(OutputFiles, FramesAreNumberedInAFolder) {
  const TemporaryFolder folder;
  auto files = *OutputFiles::create(Kind::kFolders, folder.path().string() + "/ball", 1);
  std::vector<std::string> written;
  for (int32_t frame : {0, 1, 2}) {
    v1::OutputChunk chunk = part(0, "f", 1, 0);
    chunk.set_frame(frame);
    written.push_back(*files.take(chunk));
  }
  EXPECT_EQ(written[2], folder.path().string() + "/ball/frame_0002.png");
  EXPECT_EQ(files.summary(written),
            std::vector<std::string>{folder.path().string() + "/ball: 3 files"});
  auto several = *OutputFiles::create(Kind::kFolders, folder.path().string() + "/ball", 2);
  v1::OutputChunk chunk = part(1, "f", 1, 0);
  chunk.set_frame(0);
  EXPECT_EQ(*several.take(chunk), folder.path().string() + "/ball-1/frame_0000.png");
}

TEST(OutputFiles, TensorsAreNumpyFiles) {
  const TemporaryFolder folder;
  auto files = *OutputFiles::create(Kind::kImages, folder.path().string() + "/cat.png", 1);
  v1::OutputChunk chunk = part(0, std::string(24, 'x'), 24, 0);
  chunk.set_content_type("application/x-tensor-f32");
  for (const int64_t extent : {2, 3}) chunk.add_shape(extent);
  const std::string file = *files.take(chunk);
  EXPECT_EQ(file, folder.path().string() + "/cat.npy");
  const std::string bytes = read(file);
  EXPECT_EQ((bytes.size() - 24) % 64, 0u);
  EXPECT_THAT(bytes, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
  v1::Tensor flat;
  flat.add_shape(7);
  EXPECT_THAT(npy_head(flat.shape()), HasSubstr("'shape': (7,), "));
}

TEST(OutputFiles, PartsThatDoNotFitAreRefused) {
  const TemporaryFolder folder;
  const auto status_of = [&](const v1::OutputChunk& chunk) {
    return OutputFiles::create(Kind::kImages, folder.path().string() + "/a.png", 1)
        ->take(chunk)
        .status()
        .code();
  };
  EXPECT_EQ(status_of(part(0, "abc", 5, 1)), absl::StatusCode::kInternal);
  EXPECT_EQ(status_of(part(0, "abc", 2, 0)), absl::StatusCode::kInternal);
  EXPECT_EQ(status_of(part(0, "abc", int64_t{1} << 50, 0)), absl::StatusCode::kInternal);
  EXPECT_EQ(status_of(part(0, "abc", -1, 0)), absl::StatusCode::kInternal);
}

TEST(OutputFiles, WhatCannotBeWrittenIsOneSentence) {
  const TemporaryFolder folder;
  auto files = *OutputFiles::create(Kind::kImages, folder.path().string() + "/a.png", 1);
  ASSERT_TRUE(files.take(part(0, "a", 1, 0)).ok());
  auto below = *OutputFiles::create(Kind::kImages, folder.path().string() + "/a.png/b.png", 1);
  EXPECT_THAT(std::string(below.take(part(0, "a", 1, 0)).status().message()),
              HasSubstr("cannot write " + folder.path().string() + "/a.png/b.png: "));
}

TEST(TensorJson, ReadsBackWhatItWrites) {
  v1::Tensor tensor;
  ASSERT_TRUE(parse_tensor("[[[1, 2], [3, 4.5]]]", tensor).ok());
  EXPECT_EQ(tensor_json(tensor), "[[[1.0,2.0],[3.0,4.5]]]");
  tensor.set_shape(0, 1 << 20);
  EXPECT_EQ(tensor_json(tensor), "null");
  tensor.set_shape(0, 0);
  EXPECT_EQ(tensor_json(tensor), "null");
}

}  // namespace
}  // namespace tessera
