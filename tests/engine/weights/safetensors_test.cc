#include "engine/weights/safetensors.h"

#include <sys/stat.h>

#include <cstring>

#include "engine/weights/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string message_of(const absl::Status& status) { return std::string(status.message()); }

std::string mistake(const std::string& header, uint64_t data_bytes) {
  const absl::StatusOr<StoredTensors> tensors =
      parse_safetensors_header("w.safetensors", header, data_bytes);
  EXPECT_FALSE(tensors.ok()) << header;
  EXPECT_EQ(tensors.status().code(), absl::StatusCode::kInvalidArgument) << header;
  return message_of(tensors.status());
}

TEST(Safetensors, ReadsTensorsAsSpansOfTheFile) {
  TemporaryFolder folder;
  const float values[3] = {1.5f, -2.0f, 3.25f};
  std::string data(2, '\x7f');
  data.append(reinterpret_cast<const char*>(values), sizeof(values));
  folder.write("w.safetensors",
               safetensors_bytes(R"({"__metadata__":{"format":"pt"},)"
                                 R"("b":{"dtype":"F32","shape":[3,1],"data_offsets":[2,14]},)"
                                 R"("a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}    )",
                                 data));
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::open(folder.path("w.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 2u);
  const StoredTensor& b = file->tensors().at("b");
  EXPECT_EQ(b.dtype, StoredDType::kF32);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{3, 1}));
  ASSERT_EQ(file->bytes(b).size(), sizeof(values));
  EXPECT_EQ(std::memcmp(file->bytes(b).data(), values, sizeof(values)), 0);
  const StoredTensor& a = file->tensors().at("a");
  EXPECT_TRUE(a.shape.empty());
  EXPECT_EQ(file->bytes(a)[1], std::byte{0x7f});
  EXPECT_TRUE(file->check_unchanged().ok());
  file->release(file->bytes(b));
  EXPECT_EQ(std::memcmp(file->bytes(b).data(), values, sizeof(values)), 0);
}

TEST(Safetensors, EmptyTensorsShareAnOffset) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},)"
                             R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                             R"("c":{"dtype":"I64","shape":[0],"data_offsets":[4,4]}})";
  EXPECT_TRUE(parse_safetensors_header("w", header, 4).ok());
}

struct BadHeader {
  const char* header;
  uint64_t data_bytes;
  const char* says;
};

TEST(Safetensors, LyingHeadersAreRefusedInWords) {
  const BadHeader cases[] = {
      {"", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "not valid JSON"},
      {R"({"a":})", 0, "not valid JSON"},
      {"{}x", 0, "not valid JSON"},
      {"{\"a\xff\":{}}", 0, "not valid JSON"},
      {R"({"a":1})", 0, "\"a\": a number stands"},
      {R"({"a":[]})", 0, "\"a\": a list stands"},
      {R"({"a":null})", 0, "\"a\": null"},
      {R"({"a":{}})", 0, "\"a\": needs all of dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32"}})", 0, "needs all of"},
      {R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "a name must have"},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "\"F31\""},
      {R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4, "a number stands"},
      {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
      {R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", 4, "no integer"},
      {R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", 4, "a list stands"},
      {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
       "more than 8 numbers"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", 4, "must be two numbers"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,2,4]}})", 4, "must be two numbers"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4, "need 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", 4, "need 16 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "shape is too large"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4,
       "shape is too large"},
      {R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4,
       "no integer"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 4, "beyond the file's 4 bytes"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 6, "end at byte 4 of 6"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "\"b\": data_offsets begin at 2, inside the tensor that ends at 4"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})",
       6, "with a gap after"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
       6, "\"a\": is named twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4,
       "unknown or repeated key \"dtype\""},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}})", 4, "\"x\""},
      {R"({"__metadata__":{"a":1}})", 0, "a number stands"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", 0, "an object stands"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "named twice"},
      {R"({"__metadata__":"x"})", 0, "a string stands"},
  };
  for (const BadHeader& bad : cases) {
    EXPECT_THAT(mistake(bad.header, bad.data_bytes),
                AllOf(HasSubstr("w.safetensors: "), HasSubstr(bad.says)))
        << bad.header;
  }
}

TEST(Safetensors, DeepNestingNeitherCrashesNorLasts) {
  std::string lists = R"({"a":)";
  lists.append(5000000, '[');
  EXPECT_THAT(mistake(lists, 0), HasSubstr("a list stands"));
  std::string objects = R"({"__metadata__":{"k":)";
  objects.append(5000000, '{');
  EXPECT_THAT(mistake(objects, 0), HasSubstr("an object stands"));
}

TEST(Safetensors, ControlCharactersOfNamesAreEscaped) {
  const std::string said =
      mistake(R"({"a\n\u001b[2J":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", 1);
  EXPECT_THAT(said, HasSubstr("a\\n\\u001b[2J"));
  EXPECT_EQ(said.find('\n'), std::string::npos);
}

TEST(Safetensors, FilesTooShortOrWithALyingLengthAreRefused) {
  TemporaryFolder folder;
  const auto open = [&](const std::string& bytes) {
    folder.write("w", bytes);
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::open(folder.path("w"));
    EXPECT_FALSE(file.ok());
    return message_of(file.status());
  };
  EXPECT_THAT(open(""), HasSubstr("holds 0 bytes"));
  EXPECT_THAT(open("1234567"), HasSubstr("holds 7 bytes"));
  EXPECT_THAT(open(std::string(8, '\xff') + "{}"),
              HasSubstr("header length is 18446744073709551615, must be at most 2"));
  EXPECT_THAT(open(std::string("\x03\0\0\0\0\0\0\0{}", 10)), HasSubstr("header length is 3"));
  EXPECT_THAT(open(std::string(8, '\0')), HasSubstr("does not begin"));
}

TEST(Safetensors, OnlyRegularFilesAreRead) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(message_of(SafetensorsFile::open(folder.path("pipe")).status()),
              HasSubstr("not a regular file"));
  EXPECT_THAT(message_of(SafetensorsFile::open(folder.path()).status()),
              HasSubstr("not a regular file"));
  EXPECT_EQ(SafetensorsFile::open(folder.path("none")).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(Safetensors, AFileThatChangesAfterOpenIsNoticed) {
  TemporaryFolder folder;
  folder.write(
      "w", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd"));
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::open(folder.path("w"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::resize_file(folder.path("w"), 20);
  EXPECT_THAT(message_of(file->check_unchanged()), HasSubstr("to 20 bytes while"));
}

}  // namespace
}  // namespace tessera
