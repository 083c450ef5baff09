#include "engine/weights/tensor_files.h"

#include <array>

#include "engine/weights/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kStem = "diffusion_pytorch_model";
constexpr const char* kThree = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                               R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                               R"("deep.c":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}})";

std::string message_of(const absl::Status& status) { return std::string(status.message()); }

std::string refusal(const TemporaryFolder& folder) {
  const absl::StatusOr<TensorFiles> files = TensorFiles::open(folder.path(), kStem);
  EXPECT_FALSE(files.ok());
  return message_of(files.status());
}

TEST(TensorFiles, TheStemNamesTheFiles) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", "not read");
  folder.write("diffusion_pytorch_model.safetensors", safetensors_bytes(kThree, "aaaaaaaacccc"));
  const absl::StatusOr<TensorFiles> files = TensorFiles::open(folder.path(), kStem);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->names().size(), 3u);
  EXPECT_EQ(files->tensor_bytes(), 12u);
  EXPECT_EQ(files->file_of("a"), folder.path("diffusion_pytorch_model.safetensors"));

  folder.write("diffusion_pytorch_model.safetensors.index.json",
               R"({"weight_map":{"a":"model-1.safetensors"}})");
  EXPECT_THAT(refusal(folder),
              EndsWith("(named by diffusion_pytorch_model.safetensors.index.json)"));
  folder.write("model-1.safetensors", safetensors_bytes(kThree, "aaaaaaaacccc"));
  const absl::StatusOr<TensorFiles> indexed = TensorFiles::open(folder.path(), kStem);
  ASSERT_TRUE(indexed.ok()) << indexed.status();
  EXPECT_THAT(message_of(indexed->tensor("b", {1}).status()),
              HasSubstr("diffusion_pytorch_model.safetensors.index.json: tensor \"b\" of shape [1] "
                        "is missing"));
}

TEST(TensorFiles, PicklesAreNamedAndNeverOpened) {
  for (const char* pickle : {"diffusion_pytorch_model.bin", "model.ckpt", "a.pt", "b.pth"}) {
    const TemporaryFolder folder;
    folder.write("config.json", "{}");
    EXPECT_THAT(refusal(folder), Not(HasSubstr("pickle")));
    folder.write(pickle, "");
    EXPECT_THAT(refusal(folder),
                HasSubstr(std::string("has neither diffusion_pytorch_model.safetensors nor "
                                      "diffusion_pytorch_model.safetensors.index.json; weights are "
                                      "read from safetensors, and \"") +
                          pickle + "\", a pickle, is never opened: convert it to safetensors"));
  }
  EXPECT_THAT(message_of(TensorFiles::open("/none", kStem).status()),
              HasSubstr("/none: has neither"));
}

TEST(TensorFiles, HarmlessNamesMayStandUnused) {
  const TemporaryFolder folder;
  folder.write("diffusion_pytorch_model.safetensors", safetensors_bytes(kThree, "aaaaaaaacccc"));
  const absl::StatusOr<TensorFiles> files = TensorFiles::open(folder.path(), kStem);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_TRUE(files->tensor("a", {1}).ok());
  EXPECT_THAT(message_of(files->check_all_used("Net")),
              HasSubstr("tensor \"b\" is not part of a Net as config.json describes it"));
  std::array<std::string_view, 2> harmless = {"b", "*.c"};
  EXPECT_TRUE(files->check_all_used("Net", harmless).ok());
  harmless = {"b", "c"};
  EXPECT_THAT(message_of(files->check_all_used("Net", harmless)), HasSubstr("\"deep.c\""));
}

TEST(TensorFiles, StoredTensorsCompareByTypeShapeAndContent) {
  const TemporaryFolder folder;
  folder.write("diffusion_pytorch_model.safetensors", safetensors_bytes(kThree, "xxxxxxxxxxxx"));
  const absl::StatusOr<TensorFiles> files = TensorFiles::open(folder.path(), kStem);
  ASSERT_TRUE(files.ok()) << files.status();
  const TensorBytes a = files->stored("a");
  EXPECT_EQ(a, files->stored("b"));
  EXPECT_FALSE(a == files->stored("deep.c")) << "another type";
  files->release(a.bytes);
  EXPECT_EQ(a.bytes[0], std::byte{'x'}) << "pages come back";
  EXPECT_EQ(files->unused().size(), 3u) << "looking is not using";
  folder.write("diffusion_pytorch_model.safetensors", safetensors_bytes(kThree, "xxxxyxxxxxxx"));
  const absl::StatusOr<TensorFiles> changed = TensorFiles::open(folder.path(), kStem);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_FALSE(changed->stored("a") == changed->stored("b"));
}

}  // namespace
}  // namespace tessera
