// A device for op tests: one region and one stream on a chosen backend, run on the test's own
// thread. Op tests write one body and run it on every level the machine has; outputs must agree bit
// for bit with the reference.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/core/memory.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/install.h"
#include "kernels/cpu/reference/math.h"

namespace tessera::test {

struct Level {
  std::string name;
  const OpTable* ops;
  IsaLevel isa;
  int threads;
};

inline Level reference_level() { return {"reference", &reference_ops(), IsaLevel::kScalar, 1}; }

// Every CPU level of this machine, alone and with several threads.
inline std::vector<Level> cpu_levels() {
  std::vector<Level> levels;
  for (const IsaLevel isa : kIsaLevels) {
    if (isa > detect_isa()) continue;
    for (const int threads : {1, 3}) {
      levels.push_back({std::string(name_of(isa)) + " with " + std::to_string(threads) +
                            (threads == 1 ? " thread" : " threads"),
                        &cpu_ops(isa), isa, threads});
    }
  }
  return levels;
}

class Device {
 public:
  explicit Device(const Level& level)
      : pool_(level.threads),
        execution_(pool_, level.isa),
        region_(Region::create("test", size_t{64} << 20).value()),
        stream_(*level.ops, size_t{4} << 20) {}

  Stream& stream() { return stream_; }

  Tensor zeros(DType dtype, std::initializer_list<int64_t> shape) {
    return region_.allocate(dtype, shape);
  }
  template <class T>
  Tensor put(DType dtype, std::initializer_list<int64_t> shape, const std::vector<T>& values) {
    const Tensor tensor = zeros(dtype, shape);
    if (!values.empty()) stream_.upload(tensor, std::span<const T>(values));
    run();
    return tensor;
  }
  // f32 values as f32 or rounded to bf16.
  Tensor put_rounded(DType dtype, std::initializer_list<int64_t> shape,
                     const std::vector<float>& values) {
    if (dtype == DType::kF32) return put(dtype, shape, values);
    std::vector<Bf16> narrow;
    for (const float value : values) narrow.push_back(to_bf16(value));
    return put(dtype, shape, narrow);
  }
  Tensor put_ints(const std::vector<int32_t>& values) {
    return put(DType::kI32, {static_cast<int64_t>(values.size())}, values);
  }
  template <class T>
  Tensor put_structs(const std::vector<T>& values) {
    const Tensor tensor = zeros(DType::kU8, {static_cast<int64_t>(values.size()), sizeof(T)});
    if (!values.empty()) stream_.upload(tensor, std::as_bytes(std::span(values)));
    run();
    return tensor;
  }
  PackedWeight put_weight(DType dtype, int64_t N, int64_t K, const std::vector<float>& rows) {
    const PackedWeight w = allocate_packed(region_, dtype, N, K);
    pack_weight(stream_, PackWeight{rows.data(), DType::kF32, N, K, K, w, 0});
    run();
    return w;
  }
  Region& region() { return region_; }

  void run() {
    Region::open_all();
    while (!stream_.idle()) stream_.run_some(execution_, 1);
    Region::close_all();
  }

  template <class T>
  std::vector<T> get(const Tensor& tensor) {
    std::vector<T> values(static_cast<size_t>(tensor.bytes()) / sizeof(T));
    stream_.download(tensor, std::as_writable_bytes(std::span(values)));
    run();
    return values;
  }
  // As floats, whatever the dtype.
  std::vector<float> get_floats(const Tensor& tensor) {
    if (tensor.dtype == DType::kF32) return get<float>(tensor);
    std::vector<float> wide;
    for (const Bf16 value : get<Bf16>(tensor)) wide.push_back(to_f32(value));
    return wide;
  }

 private:
  ComputePool pool_;
  Execution execution_;
  Region region_;
  Stream stream_;
};

// The outputs of `body` on a level, as bytes.
using Body = std::function<std::vector<Tensor>(Device&)>;

inline std::vector<std::vector<uint8_t>> outputs_on(const Level& level, const Body& body) {
  Device device(level);
  const std::vector<Tensor> tensors = body(device);
  device.run();
  std::vector<std::vector<uint8_t>> outputs;
  for (const Tensor& tensor : tensors) outputs.push_back(device.get<uint8_t>(tensor));
  return outputs;
}

// Runs `body` on every CPU level and compares its outputs with the reference's, bit for bit.
inline void expect_same_bits(const std::string& what, const Body& body) {
  const std::vector<std::vector<uint8_t>> expected = outputs_on(reference_level(), body);
  for (const Level& level : cpu_levels()) {
    const std::vector<std::vector<uint8_t>> found = outputs_on(level, body);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t output = 0; output < found.size(); ++output) {
      ASSERT_EQ(found[output].size(), expected[output].size());
      size_t wrong = 0, first = 0;
      for (size_t byte = found[output].size(); byte-- > 0;) {
        if (found[output][byte] != expected[output][byte]) ++wrong, first = byte;
      }
      EXPECT_EQ(wrong, 0u) << what << " on " << level.name << ": output " << output
                           << " differs first at byte " << first << " of " << found[output].size();
    }
  }
}

inline std::vector<float> random_floats(std::mt19937& random, int64_t count, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

}  // namespace tessera::test
