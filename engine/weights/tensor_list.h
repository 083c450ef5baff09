// The tensors that a config implies, written down one after the other. Made on the stack; one
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tessera {

struct ExpectedTensor {
  std::string name;            // for example "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // a linear is [out, in], an embedding [V, D], a convolution
                               // [out, in, height, width]
};

class TensorList {
 public:
  void add(std::string name, std::vector<int64_t> shape) {
    tensors_.push_back({std::move(name), std::move(shape)});
  }
  void add_linear(const std::string& name, int64_t out, int64_t in, bool bias = true) {
    add(name + ".weight", {out, in});
    if (bias) add(name + ".bias", {out});
  }
  void add_convolution(const std::string& name, int64_t out, int64_t in, int64_t size) {
    add(name + ".weight", {out, in, size, size});
    add(name + ".bias", {out});
  }
  // Gain and bias of a norm.
  void add_norm(const std::string& name, int64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  std::vector<ExpectedTensor> take() { return std::move(tensors_); }

 private:
  std::vector<ExpectedTensor> tensors_;
};

}  // namespace tessera
