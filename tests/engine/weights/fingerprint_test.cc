#include "engine/weights/fingerprint.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

std::string golden(const std::string& model) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/" + model + "/transformer";
}

std::string fingerprint_of(const std::string& folder) {
  const auto files = TensorFiles::open(folder, "diffusion_pytorch_model");
  EXPECT_TRUE(files.ok()) << files.status();
  return checkpoint_fingerprint(*files);
}

// Written down, because schedules that lie with checkpoints name it.
TEST(Fingerprint, StaysWhatItIs) {
  EXPECT_EQ(fingerprint_of(golden("dit")), "8acd81dae2f2e387");
  EXPECT_NE(fingerprint_of(golden("dit")), fingerprint_of(golden("latte")));
}

TEST(Fingerprint, SeesTheEndsOfEveryTensorAndItsName) {
  const TemporaryFolder folder;
  const std::string name = "diffusion_pytorch_model.safetensors";
  const std::string path = (folder.path() / name).string();
  const auto changed = [&](auto&& change) {
    std::filesystem::copy_file(golden("dit") + "/" + name, path,
                               std::filesystem::copy_options::overwrite_existing);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    change(file);
    file.close();
    return fingerprint_of(folder.path().string());
  };
  const std::string whole = fingerprint_of(golden("dit"));
  EXPECT_EQ(changed([](std::fstream&) {}), whole);
  // The last byte of the file is the last of a tensor.
  EXPECT_NE(changed([](std::fstream& file) {
              file.seekg(-1, std::ios::end);
              const char last = static_cast<char>(file.get());
              file.seekp(-1, std::ios::end);
              file.put(static_cast<char>(last ^ 1));
            }),
            whole);
  EXPECT_NE(changed([](std::fstream& file) {
              std::string header(4096, ' ');
              file.read(header.data(), static_cast<std::streamsize>(header.size()));
              file.clear();
              file.seekp(static_cast<std::streamoff>(header.find("proj_out_1")));
              file.write("proj_out_9", 10);
            }),
            whole);
}

}  // namespace
}  // namespace tessera
