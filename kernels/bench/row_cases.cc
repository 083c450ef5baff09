// The element-wise ops of a diffusion transformer's block. Operands are rotated like the weights of
// linear_cases.cc, so the figures are those of memory.
#include "kernels/bench/bench_case.h"

namespace tessera {
namespace {

constexpr int64_t kRotatedBytes = 160 << 20;

// Copies of one op's operands in one block of memory, taken in turn.
template <class Args>
class Rotation {
 public:
  // `make(at)` lays one copy out from `at` on; each needs `bytes`.
  template <class Make>
  Rotation(int64_t bytes, Make&& make)
      : memory_(static_cast<size_t>(copies(bytes) * padded(bytes)) / sizeof(float), 0.125f) {
    auto* at = reinterpret_cast<std::byte*>(memory_.data());
    for (int64_t copy = 0; copy < copies(bytes); ++copy, at += padded(bytes)) {
      args_.push_back(make(at));
    }
  }
  void run(OpFn<Args> op, Execution& execution) { op(execution, args_[next_++ % args_.size()]); }

 private:
  static int64_t padded(int64_t bytes) { return round_up(bytes, 4096); }
  static int64_t copies(int64_t bytes) { return std::max<int64_t>(1, kRotatedBytes / bytes); }

  std::vector<float> memory_;
  std::vector<Args> args_;
  size_t next_ = 0;
};

std::string dims(const ModelShape& model, int64_t rows, int64_t width) {
  return std::string(model.name) + " rows " + std::to_string(rows) + " width " +
         std::to_string(width);
}

BenchCase layer_norm_case(const ModelShape& model, int64_t rows) {
  const int64_t D = model.D, matrix = rows * D * 4;
  BenchCase c{.op = "layer_norm",
              .shape = dims(model, rows, D) + " gated, modulated",
              .bytes = 3.5 * static_cast<double>(matrix),  // residual twice, delta, half for bf16
              .flops = 9.0 * static_cast<double>(rows * D),
              .prepare = nullptr};
  c.prepare = [rows, D, matrix](const OpTable& ops, Execution& execution) {
    auto modulation = std::make_shared<std::vector<float>>(static_cast<size_t>(3 * D), 0.5f);
    auto rotation = std::make_shared<Rotation<AddLayerNorm>>(3 * matrix, [&](std::byte* at) {
      AddLayerNorm a{};
      const Tensor parts = make_tensor(modulation->data(), DType::kF32, {1, 3 * D});
      a.residual = make_tensor(at, DType::kF32, {rows, D});
      a.delta = make_tensor(at + matrix, DType::kF32, {rows, D});
      a.normed = make_tensor(at + 2 * matrix, DType::kBf16, {rows, D});
      a.gate = parts.columns(0, D);
      a.scale = parts.columns(D, D);
      a.shift = parts.columns(2 * D, D);
      a.eps = 1e-6f;
      a.normalise = true;
      return a;
    });
    return
        [modulation, rotation, &ops, &execution] { rotation->run(ops.add_layer_norm, execution); };
  };
  return c;
}

BenchCase activate_case(const ModelShape& model, int64_t rows, Activation kind, const char* name) {
  const int64_t F = model.F, matrix = rows * F * 4;
  BenchCase c{.op = "activate",
              .shape = dims(model, rows, F) + " " + name,
              .bytes = 1.5 * static_cast<double>(matrix),
              .flops = 25.0 * static_cast<double>(rows * F),
              .prepare = nullptr};
  c.prepare = [rows, F, matrix, kind](const OpTable& ops, Execution& execution) {
    auto rotation = std::make_shared<Rotation<Activate>>(2 * matrix, [&](std::byte* at) {
      return Activate{.in = make_tensor(at, DType::kF32, {rows, F}),
                      .kind = kind,
                      .out = make_tensor(at + matrix, DType::kBf16, {rows, F})};
    });
    return [rotation, &ops, &execution] { rotation->run(ops.activate, execution); };
  };
  return c;
}

}  // namespace

std::vector<BenchCase> block_rows(const ModelShape& model, int64_t rows) {
  return {layer_norm_case(model, rows),
          activate_case(model, rows, Activation::kGeluTanh, "gelu_tanh"),
          activate_case(model, rows, Activation::kGelu, "gelu")};
}

}  // namespace tessera
