// An anonymous view of device memory: pointer, element type, shape, strides. Never owns, never has
// a name. Only code that runs inside an executor may dereference `data`; the engine passes views
// on.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "kernels/core/check.h"
#include "kernels/core/dtype.h"

namespace tessera {

struct Tensor {
  static constexpr int kMaxRank = 5;

  void* data = nullptr;
  DType dtype = DType::kF32;
  int8_t rank = 0;
  std::array<int64_t, kMaxRank> shape{};
  std::array<int64_t, kMaxRank> stride{};  // in elements

  bool empty() const { return data == nullptr; }
  int64_t dim(int axis) const { return shape[axis]; }
  int64_t elements() const {
    int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= shape[axis];
    return rank == 0 ? 0 : product;
  }
  int64_t bytes() const { return elements() * static_cast<int64_t>(size_of(dtype)); }

  // Typed address of row `row` of the first axis.
  template <class T>
  T* row(int64_t row) const {
    return static_cast<T*>(data) + row * stride[0];
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }

  // Rows [begin, begin + count) of the first axis.
  Tensor rows(int64_t begin, int64_t count) const {
    CHECK_LE(begin + count, shape[0]);
    Tensor view = *this;
    view.data = static_cast<char*>(data) + begin * stride[0] * static_cast<int64_t>(size_of(dtype));
    view.shape[0] = count;
    return view;
  }
  // Columns [begin, begin + count) of the last axis.
  Tensor columns(int64_t begin, int64_t count) const {
    CHECK_LE(begin + count, shape[rank - 1]);
    Tensor view = *this;
    view.data =
        static_cast<char*>(data) + begin * stride[rank - 1] * static_cast<int64_t>(size_of(dtype));
    view.shape[rank - 1] = count;
    return view;
  }
};

inline bool is_contiguous(const Tensor& tensor) {
  int64_t step = 1;
  for (int axis = tensor.rank - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] != 1 && tensor.stride[axis] != step) return false;
    step *= tensor.shape[axis];
  }
  return true;
}

// A contiguous view.
inline Tensor make_tensor(void* data, DType dtype, std::initializer_list<int64_t> shape) {
  CHECK_LE(shape.size(), static_cast<size_t>(Tensor::kMaxRank));
  Tensor t;
  t.data = data;
  t.dtype = dtype;
  t.rank = static_cast<int8_t>(shape.size());
  int axis = 0;
  for (int64_t extent : shape) t.shape[axis++] = extent;
  int64_t step = 1;
  for (axis = t.rank - 1; axis >= 0; --axis) {
    t.stride[axis] = step;
    step *= t.shape[axis];
  }
  return t;
}

}  // namespace tessera
