#include <algorithm>
#include <cstring>

#include "kernels/bench/bench_case.h"

namespace tessera {
namespace {

// Four times the largest last-level cache a core is likely to have to itself.
constexpr int64_t kRotatedBytes = 160 << 20;
constexpr uint16_t kSmallBf16 = 0x3c23;  // about 0.01: sums stay normal

struct ProductShape {
  std::string name;
  int64_t N, K;
  bool gated = false;  // SwiGLU, to bf16; else f32 sums
};

std::vector<ProductShape> layer_products(const ModelShape& m) {
  return {{"qkv", (m.H + 2 * m.Hkv) * m.Dh, m.D},
          {"o", m.D, m.H * m.Dh},
          {"gate_up", 2 * m.F, m.D, true},
          {"down", m.D, m.F}};
}

std::string dims(const ProductShape& p, int64_t M) {
  return p.name + " M " + std::to_string(M) + " K " + std::to_string(p.K) + " N " +
         std::to_string(p.N);
}

// The operands of products that share x and out buffers.
class Weights {
 public:
  Weights(const std::vector<ProductShape>& products, int64_t M) : M_(M) {
    int64_t bytes = 0, widest_in = 0, widest_out = 0;
    for (const ProductShape& p : products) {
      weights_.push_back({.data = nullptr, .dtype = DType::kBf16, .N = p.N, .K = p.K});
      gated_.push_back(p.gated);
      bytes += weights_.back().bytes();
      widest_in = std::max(widest_in, p.K);
      widest_out = std::max(widest_out, p.N);
    }
    Region region = std::move(Region::create("bench", static_cast<size_t>(bytes) + 4096)).value();
    region_ = std::make_unique<Region>(std::move(region));
    for (PackedWeight& w : weights_) {
      w = allocate_packed(*region_, w.dtype, w.N, w.K);
      std::fill_n(static_cast<uint16_t*>(w.data), w.bytes() / 2, kSmallBf16);
    }
    x_.assign(static_cast<size_t>(M * widest_in), kSmallBf16);
    out_.resize(static_cast<size_t>(M * widest_out));
  }

  size_t count() const { return weights_.size(); }
  void run(const OpTable& ops, Execution& execution, size_t index) {
    const PackedWeight& w = weights_[index];
    Linear args{};
    args.x = make_tensor(x_.data(), DType::kBf16, {M_, w.K});
    args.w = w;
    args.out = make_tensor(out_.data(), DType::kF32, {M_, w.N});
    if (gated_[index]) {
      args.activation = Activation::kSilu;
      args.gated = true;
      args.out = make_tensor(out_.data(), DType::kBf16, {M_, w.N / 2});
    }
    ops.linear(execution, args);
  }

 private:
  int64_t M_;
  std::vector<PackedWeight> weights_;
  std::vector<bool> gated_;
  std::unique_ptr<Region> region_;
  std::vector<uint16_t> x_;
  std::vector<float> out_;
};

double product_bytes(const ProductShape& p, int64_t M) {
  const int64_t row_out = p.gated ? p.N : 4 * p.N;  // bytes
  return static_cast<double>(p.N * p.K * 2 + M * p.K * 2 + M * row_out);
}

double product_flops(const ProductShape& p, int64_t M) {
  return 2.0 * static_cast<double>(M) * static_cast<double>(p.N) * static_cast<double>(p.K);
}

BenchCase product_case(const ModelShape& model, const ProductShape& p, int64_t M) {
  BenchCase c{.op = "linear",
              .shape = std::string(model.name) + " " + dims(p, M),
              .bytes = product_bytes(p, M),
              .flops = product_flops(p, M),
              .prepare = nullptr};
  c.prepare = [p, M](const OpTable& ops, Execution& execution) {
    const size_t copies =
        static_cast<size_t>(std::max<int64_t>(1, kRotatedBytes / (p.N * p.K * 2)));
    auto weights = std::make_shared<Weights>(std::vector<ProductShape>(copies, p), M);
    auto next = std::make_shared<size_t>(0);
    return [weights, next, &ops, &execution] {
      weights->run(ops, execution, (*next)++ % weights->count());
    };
  };
  return c;
}

}  // namespace

std::vector<BenchCase> linear_cases(const ModelShape& model, const std::vector<int64_t>& rows) {
  std::vector<BenchCase> cases;
  std::vector<ProductShape> products = layer_products(model);
  products.push_back({"head", model.V, model.D});
  for (const ProductShape& p : products) {
    for (const int64_t M : rows) {
      // A prompt needs the logits of its last row only.
      if (p.name == "head" && M > 64) continue;
      cases.push_back(product_case(model, p, M));
    }
  }
  return cases;
}

std::vector<BenchCase> block_products(const ModelShape& m, int64_t rows) {
  std::vector<BenchCase> cases;
  for (const ProductShape& p : {ProductShape{"qkv", 3 * m.D, m.D}, ProductShape{"o", m.D, m.D},
                                ProductShape{"up", m.F, m.D}, ProductShape{"down", m.D, m.F}}) {
    cases.push_back(product_case(m, p, rows));
  }
  return cases;
}

std::vector<BenchCase> step_cases(const ModelShape& model, const std::vector<int64_t>& rows) {
  std::vector<ProductShape> all;
  for (int64_t layer = 0; layer < model.L; ++layer) {
    for (const ProductShape& p : layer_products(model)) all.push_back(p);
  }
  all.push_back({"head", model.V, model.D});
  std::vector<BenchCase> cases;
  for (const int64_t M : rows) {
    BenchCase c{.op = "step",
                .shape = std::string(model.name) + " all products M " + std::to_string(M),
                .bytes = 0,
                .flops = 0,
                .prepare = nullptr};
    for (const ProductShape& p : all) {
      c.bytes += product_bytes(p, M);
      c.flops += product_flops(p, M);
    }
    c.prepare = [all, M](const OpTable& ops, Execution& execution) {
      auto weights = std::make_shared<Weights>(all, M);
      return [weights, &ops, &execution] {
        for (size_t i = 0; i < weights->count(); ++i) weights->run(ops, execution, i);
      };
    };
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace tessera
