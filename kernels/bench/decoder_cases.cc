// The picture decoder: a convolution as it runs (the windows of a chunk of rows, then their
// product), its two halves alone, and a group norm with SiLU.
#include "kernels/bench/bench_case.h"

namespace tessera {
namespace {

constexpr uint16_t kSmallBf16 = 0x3c23;  // about 0.01

struct ConvolutionShape {
  int64_t side, C, N;
};

enum class Part { kWindows, kProduct, kBoth };

class Convolution {
 public:
  Convolution(const ConvolutionShape& s, int64_t rows)
      : picture_(static_cast<size_t>(s.side * s.side * s.C), kSmallBf16),
        windows_(static_cast<size_t>(rows * 9 * s.C), kSmallBf16),
        out_(static_cast<size_t>(rows * s.N)) {
    PackedWeight w{.data = nullptr, .dtype = DType::kBf16, .N = s.N, .K = 9 * s.C};
    const size_t bytes = static_cast<size_t>(w.bytes()) + 4096;
    region_ = std::make_unique<Region>(std::move(Region::create("bench", bytes)).value());
    w = allocate_packed(*region_, w.dtype, w.N, w.K);
    std::fill_n(static_cast<uint16_t*>(w.data), w.bytes() / 2, kSmallBf16);
    windows_args_ = {.in = make_tensor(picture_.data(), DType::kBf16, {s.side * s.side, s.C}),
                     .height = static_cast<int>(s.side),
                     .width = static_cast<int>(s.side),
                     .kernel = 3,
                     .twice = false,
                     .first = 0,
                     .out = make_tensor(windows_.data(), DType::kBf16, {rows, 9 * s.C})};
    product_.x = windows_args_.out;
    product_.w = w;
    product_.out = make_tensor(out_.data(), DType::kF32, {rows, s.N});
  }

  // One chunk of the picture after another.
  void run(const OpTable& ops, Execution& execution, Part part) {
    const int64_t rows = windows_args_.out.dim(0);
    if (part != Part::kProduct) ops.im2col(execution, windows_args_);
    if (part != Part::kWindows) ops.linear(execution, product_);
    windows_args_.first += rows;
    if (windows_args_.first + rows > windows_args_.in.dim(0)) windows_args_.first = 0;
  }

 private:
  std::vector<uint16_t> picture_, windows_;
  std::vector<float> out_;
  std::unique_ptr<Region> region_;
  Im2Col windows_args_{};
  Linear product_{};
};

BenchCase convolution_case(const ConvolutionShape& s, int64_t rows, Part part) {
  const char* const names[] = {"im2col", "product", "conv"};
  const double windows = static_cast<double>(rows * 9 * s.C * 2);
  BenchCase c{.op = names[static_cast<int>(part)],
              .shape = std::to_string(s.side) + "^2 C " + std::to_string(s.C) + " to " +
                       std::to_string(s.N) + " chunk " + std::to_string(rows),
              .bytes = part == Part::kBoth ? 2 * windows : windows,
              .flops = part == Part::kWindows
                           ? 0
                           : 2.0 * static_cast<double>(rows * 9 * s.C) * static_cast<double>(s.N),
              .prepare = nullptr};
  c.prepare = [s, rows, part](const OpTable& ops, Execution& execution) {
    auto convolution = std::make_shared<Convolution>(s, rows);
    return [convolution, part, &ops, &execution] { convolution->run(ops, execution, part); };
  };
  return c;
}

BenchCase group_norm_case(int64_t side, int64_t C) {
  const int64_t P = side * side;
  BenchCase c{.op = "group_norm",
              .shape = std::to_string(side) + "^2 C " + std::to_string(C) + " silu",
              .bytes = 10.0 * static_cast<double>(P * C),  // read twice, bf16 written
              .flops = 26.0 * static_cast<double>(P * C),
              .prepare = nullptr};
  c.prepare = [P, C](const OpTable& ops, Execution& execution) {
    auto in = std::make_shared<std::vector<float>>(static_cast<size_t>(P * C), 0.25f);
    auto out = std::make_shared<std::vector<uint16_t>>(in->size());
    auto gain = std::make_shared<std::vector<float>>(static_cast<size_t>(C), 1.0f);
    return [in, out, gain, P, C, &ops, &execution] {
      ops.group_norm(execution, {.in = make_tensor(in->data(), DType::kF32, {P, C}),
                                 .groups = 32,
                                 .eps = 1e-6f,
                                 .gain = make_tensor(gain->data(), DType::kF32, {C}),
                                 .bias = make_tensor(gain->data(), DType::kF32, {C}),
                                 .silu = true,
                                 .out = make_tensor(out->data(), DType::kBf16, {P, C})});
    };
  };
  return c;
}

}  // namespace

std::vector<BenchCase> decoder_cases() {
  std::vector<BenchCase> cases;
  for (const ConvolutionShape& s : {ConvolutionShape{64, 512, 512}, ConvolutionShape{256, 256, 256},
                                    ConvolutionShape{256, 128, 128}}) {
    for (const Part part : {Part::kWindows, Part::kProduct, Part::kBoth}) {
      for (const int64_t rows : {256, 1024, 4096}) {
        cases.push_back(convolution_case(s, rows, part));
      }
    }
  }
  cases.push_back(group_norm_case(64, 512));
  cases.push_back(group_norm_case(256, 256));
  return cases;
}

}  // namespace tessera
