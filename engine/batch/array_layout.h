// Collects a step's host arrays in one buffer, so that one upload brings them all; views get their
// addresses from the device buffer at once. Lives while a step is laid out; engine thread.
#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

class ArrayLayout {
 public:
  static constexpr int64_t kAlignIntegers = 16;  // 64 bytes: every array starts on a cache line

  // `target` is [capacity] i32.
  explicit ArrayLayout(const Tensor& target) : target_(target) {}

  Tensor array(const std::vector<int32_t>& values) { return place(values, DType::kI32); }
  Tensor array(const std::vector<float>& values) { return place(values, DType::kF32); }
  // Plain structs as [n, sizeof(T)] bytes.
  template <class T>
  Tensor structs(const std::vector<T>& values) {
    static_assert(sizeof(T) % sizeof(int32_t) == 0 && std::is_trivially_copyable_v<T>);
    const int64_t offset = append(values.data(), values.size() * sizeof(T));
    return make_tensor(target_.as<int32_t>() + offset, DType::kU8,
                       {static_cast<int64_t>(values.size()), static_cast<int64_t>(sizeof(T))});
  }
  // REQUIRES: everything fits the target.
  void upload(Stream& stream) const {
    CHECK_LE(static_cast<int64_t>(integers_.size()), target_.dim(0));
    stream.upload(target_.rows(0, static_cast<int64_t>(integers_.size())),
                  std::span<const int32_t>(integers_));
  }

 private:
  template <class T>
  Tensor place(const std::vector<T>& values, DType dtype) {
    static_assert(sizeof(T) == sizeof(int32_t));
    const int64_t offset = append(values.data(), values.size() * sizeof(T));
    return make_tensor(target_.as<int32_t>() + offset, dtype,
                       {static_cast<int64_t>(values.size())});
  }
  int64_t append(const void* data, size_t bytes) {
    const int64_t offset = static_cast<int64_t>(integers_.size());
    integers_.resize(offset +
                     round_up(static_cast<int64_t>(bytes / sizeof(int32_t)), kAlignIntegers));
    if (bytes > 0) std::memcpy(integers_.data() + offset, data, bytes);
    return offset;
  }

  Tensor target_;
  std::vector<int32_t> integers_;
};

}  // namespace tessera
