// Named symbolic dims: one line per tensor checks shape and dtype and documents both. A `Dim` is
// bound by the first tensor that names it and checked by the rest.
#pragma once

#include <initializer_list>
#include <string>
#include <variant>

#include "kernels/core/tensor.h"

namespace tessera {

class Dim {
 public:
  explicit Dim(const char* name) : name_(name) {}
  Dim(const char* name, int64_t value) : name_(name), value_(value) {}
  bool bound() const { return value_ >= 0; }
  int64_t value() const { return value_; }
  operator int64_t() const { return value_; }
  const char* name() const { return name_; }
  void bind(int64_t value) { value_ = value; }

 private:
  const char* name_;
  int64_t value_ = -1;
};

// Either a named dim or a fixed extent.
struct Extent {
  Extent(Dim& dim) : dim(&dim) {}
  Extent(int64_t fixed) : fixed(fixed) {}
  Dim* dim = nullptr;
  int64_t fixed = -1;
};

// Aborts with the op, the tensor's name and both shapes when `tensor` differs from what is
// declared.
// Elements of the last axis must be neighbours.
void expect(const char* tensor_name, const Tensor& tensor, std::initializer_list<Extent> shape,
            DType dtype);
// The same where several dtypes will do.
void expect(const char* tensor_name, const Tensor& tensor, std::initializer_list<Extent> shape,
            std::initializer_list<DType> dtypes);

}  // namespace tessera
