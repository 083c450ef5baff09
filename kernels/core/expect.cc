#include "kernels/core/expect.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace tessera {
namespace {

std::string describe(const Tensor& tensor) {
  std::string text(name_of(tensor.dtype));
  text += " [";
  for (int axis = 0; axis < tensor.rank; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(tensor.shape[axis]);
  }
  return text + "]";
}

std::string describe(std::initializer_list<Extent> shape, DType dtype) {
  std::string text(name_of(dtype));
  text += " [";
  bool first = true;
  for (const Extent& extent : shape) {
    if (!first) text += ", ";
    first = false;
    if (extent.dim == nullptr) {
      text += std::to_string(extent.fixed);
    } else {
      text += extent.dim->name();
      if (extent.dim->bound()) text.append("=").append(std::to_string(extent.dim->value()));
    }
  }
  return text + "]";
}

}  // namespace

void expect(const char* tensor_name, const Tensor& tensor, std::initializer_list<Extent> shape,
            DType dtype) {
  bool ok = tensor.dtype == dtype && tensor.rank == static_cast<int>(shape.size()) &&
            (tensor.dim(tensor.rank - 1) <= 1 || tensor.stride[tensor.rank - 1] == 1);
  int axis = 0;
  for (const Extent& extent : shape) {
    if (!ok) break;
    const int64_t found = tensor.shape[axis++];
    if (extent.dim == nullptr) {
      ok = found == extent.fixed;
    } else if (extent.dim->bound()) {
      ok = found == extent.dim->value();
    } else {
      extent.dim->bind(found);
    }
  }
  if (ok) return;
  std::fprintf(stderr, "tensor %s is %s, expected %s\n", tensor_name, describe(tensor).c_str(),
               describe(shape, dtype).c_str());
  std::abort();
}

void expect(const char* tensor_name, const Tensor& tensor, std::initializer_list<Extent> shape,
            std::initializer_list<DType> dtypes) {
  const bool known = std::find(dtypes.begin(), dtypes.end(), tensor.dtype) != dtypes.end();
  expect(tensor_name, tensor, shape, known ? tensor.dtype : *dtypes.begin());
}

}  // namespace tessera
