// The header of a safetensors file: one JSON object, tensor name -> {dtype, shape, data_offsets},
// plus an optional "__metadata__" of strings. Read as a stream of events, so that a header of 100
// MB costs no document tree and the first mistake ends the work.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/weights/json_text.h"
#include "engine/weights/message.h"
#include "engine/weights/safetensors.h"

namespace tessera {
namespace {

struct Element {
  StoredDType dtype;
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<Element, 17> kElements = {{
    {StoredDType::kBool, "BOOL", 1},
    {StoredDType::kU8, "U8", 1},
    {StoredDType::kI8, "I8", 1},
    {StoredDType::kF8E5M2, "F8_E5M2", 1},
    {StoredDType::kF8E4M3, "F8_E4M3", 1},
    {StoredDType::kF8E8M0, "F8_E8M0", 1},
    {StoredDType::kI16, "I16", 2},
    {StoredDType::kU16, "U16", 2},
    {StoredDType::kF16, "F16", 2},
    {StoredDType::kBf16, "BF16", 2},
    {StoredDType::kI32, "I32", 4},
    {StoredDType::kU32, "U32", 4},
    {StoredDType::kF32, "F32", 4},
    {StoredDType::kI64, "I64", 8},
    {StoredDType::kU64, "U64", 8},
    {StoredDType::kF64, "F64", 8},
    {StoredDType::kC64, "C64", 8},
}};

constexpr size_t kMaxRank = 8;
constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxTensors = 1 << 20;
constexpr std::string_view kMetadata = "__metadata__";

// Builds the tensors from parser events; every method returns false to stop at the first mistake.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  StoredTensors take_tensors() { return std::move(tensors_); }
  const std::string& mistake() const { return mistake_; }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) return go(Place::kFile);
    if (place_ != Place::kTensorValue) return fail("an object stands where none belongs");
    if (name_ == kMetadata) return go(Place::kMetadata);
    current_ = {};
    seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    return go(Place::kTensor);
  }

  bool key(std::string& key) override {
    if (place_ == Place::kFile) return begin_entry(key);
    if (place_ == Place::kMetadata) return go(Place::kMetadataValue);
    if (key == "dtype" && !std::exchange(seen_dtype_, true)) return go(Place::kDtype);
    if (key == "shape" && !std::exchange(seen_shape_, true)) return go(Place::kShape);
    if (key == "data_offsets" && !std::exchange(seen_offsets_, true)) return go(Place::kOffsets);
    return fail(concat("has an unknown or repeated key ", quote_for_message(key)));
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMetadataValue) return go(Place::kMetadata);
    if (place_ != Place::kDtype) return fail("a string stands where none belongs");
    for (const Element& element : kElements) {
      if (element.name != text) continue;
      current_.dtype = element.dtype;
      return go(Place::kTensor);
    }
    return fail(concat("dtype is ", quote_for_message(text), ", which is not a known dtype"));
  }

  bool start_array(size_t) override {
    numbers_.clear();
    if (place_ == Place::kShape) return go(Place::kShapeNumbers);
    if (place_ == Place::kOffsets) return go(Place::kOffsetNumbers);
    return fail("a list stands where none belongs");
  }

  bool number_unsigned(uint64_t number) override {
    if (place_ != Place::kShapeNumbers && place_ != Place::kOffsetNumbers) {
      return fail("a number stands where none belongs");
    }
    if (numbers_.size() == kMaxRank) {
      return fail(concat("has a list of more than ", kMaxRank, " numbers"));
    }
    numbers_.push_back(number);
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsetNumbers) {
      if (numbers_.size() != 2) return fail("data_offsets must be two numbers");
      current_.begin = numbers_[0];
      current_.end = numbers_[1];
      return go(Place::kTensor);
    }
    for (const uint64_t dimension : numbers_) {
      if (dimension > static_cast<uint64_t>(INT64_MAX)) return fail("shape is too large");
      current_.shape.push_back(static_cast<int64_t>(dimension));
    }
    return go(Place::kTensor);
  }

  bool end_object() override {
    if (place_ == Place::kFile) return go(Place::kEnd);
    if (place_ == Place::kMetadata) return go(Place::kFile);
    if (!seen_dtype_ || !seen_shape_ || !seen_offsets_) {
      return fail("needs all of dtype, shape and data_offsets");
    }
    if (!check_size()) return false;
    tensors_.emplace(name_, std::move(current_));
    return go(Place::kFile);
  }

  bool null() override { return fail("null stands where none belongs"); }
  bool boolean(bool) override { return fail("a boolean stands where none belongs"); }
  bool number_integer(int64_t) override { return fail("a number is negative"); }
  bool number_float(double, const std::string&) override { return fail("a number is no integer"); }
  bool binary(nlohmann::json::binary_t&) override { return fail("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    mistake_ = concat("header is not valid JSON at byte ", position);
    return false;
  }

 private:
  enum class Place {
    kStart,
    kFile,
    kTensorValue,
    kTensor,
    kDtype,
    kShape,
    kShapeNumbers,
    kOffsets,
    kOffsetNumbers,
    kMetadata,
    kMetadataValue,
    kEnd,
  };

  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool fail(std::string_view what) {
    mistake_ = name_.empty() ? concat("header: ", what)
                             : concat("tensor ", quote_for_message(name_), ": ", what);
    return false;
  }

  bool begin_entry(std::string& key) {
    name_ = key;
    if (key == kMetadata && !std::exchange(seen_metadata_, true)) return go(Place::kTensorValue);
    if (key == kMetadata || tensors_.count(key) != 0) return fail("is named twice");
    if (key.empty() || key.size() > kMaxNameBytes) {
      return fail(concat("a name must have 1 to ", kMaxNameBytes, " bytes"));
    }
    if (tensors_.size() == kMaxTensors) {
      return fail(concat("more than ", kMaxTensors, " tensors"));
    }
    return go(Place::kTensorValue);
  }

  // The bytes between the offsets must be exactly what dtype and shape need.
  bool check_size() {
    uint64_t bytes = size_of(current_.dtype);
    bool overflow = false;
    for (const int64_t dimension : current_.shape) {
      overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(dimension), &bytes);
    }
    if (overflow) return fail("shape is too large");
    if (current_.begin > current_.end || current_.end - current_.begin != bytes) {
      return fail(concat("data_offsets are ", current_.begin, " and ", current_.end,
                         ", but dtype and shape need ", bytes, " bytes"));
    }
    return true;
  }

  Place place_ = Place::kStart;
  StoredTensors tensors_;
  std::string name_;
  StoredTensor current_;
  std::vector<uint64_t> numbers_;
  bool seen_metadata_ = false, seen_dtype_ = false, seen_shape_ = false, seen_offsets_ = false;
  std::string mistake_;
};

// The format allows neither overlap nor gap: in order of offset each tensor begins where the one
// before ended, and the last ends with the file.
absl::Status check_coverage(std::string_view file, const StoredTensors& tensors,
                            uint64_t data_bytes) {
  std::vector<StoredTensors::const_iterator> order;
  for (auto tensor = tensors.begin(); tensor != tensors.end(); ++tensor) order.push_back(tensor);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t reached = 0;
  for (const auto& tensor : order) {
    const auto& [name, stored] = *tensor;
    if (stored.end > data_bytes) {
      return absl::InvalidArgumentError(
          concat(file, ": tensor ", quote_for_message(name), ": data_offsets end at ", stored.end,
                 ", beyond the file's ", data_bytes, " bytes of data"));
    }
    if (stored.begin != reached) {
      return absl::InvalidArgumentError(
          concat(file, ": tensor ", quote_for_message(name), ": data_offsets begin at ",
                 stored.begin, stored.begin < reached ? ", inside" : ", with a gap after",
                 " the tensor that ends at ", reached));
    }
    reached = stored.end;
  }
  if (reached != data_bytes) {
    return absl::InvalidArgumentError(
        concat(file, ": tensors end at byte ", reached, " of ", data_bytes, " bytes of data"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view name_of(StoredDType dtype) { return kElements[static_cast<size_t>(dtype)].name; }

uint64_t size_of(StoredDType dtype) { return kElements[static_cast<size_t>(dtype)].bytes; }

absl::StatusOr<StoredTensors> parse_safetensors_header(std::string_view file,
                                                       std::string_view header,
                                                       uint64_t data_bytes) {
  if (header.empty() || header.front() != '{') {
    return absl::InvalidArgumentError(concat(file, ": header does not begin with '{'"));
  }
  HeaderEvents events;
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &events)) {
    return absl::InvalidArgumentError(concat(file, ": ", events.mistake()));
  }
  StoredTensors tensors = events.take_tensors();
  if (absl::Status covered = check_coverage(file, tensors, data_bytes); !covered.ok()) {
    return covered;
  }
  return tensors;
}

}  // namespace tessera
