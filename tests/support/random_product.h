// One linear op with random operands, run on any implementation: what tests of fast matrix products
// compare bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/install.h"
#include "support/random_values.h"

namespace tessera {

struct ProductCase {
  int64_t M, N, K;
  DType weight = DType::kBf16;
  DType out = DType::kF32;
  bool bias = false;
  int64_t x_gap = 0, out_gap = 0;  // elements between rows
  std::optional<Activation> activation = std::nullopt;
  bool gated = false;  // N outputs of twice as many sums
};

inline std::string name_of(const ProductCase& c) {
  return "M " + std::to_string(c.M) + " N " + std::to_string(c.N) + " K " + std::to_string(c.K) +
         " w " + std::string(name_of(c.weight)) + " out " + std::string(name_of(c.out)) +
         (c.bias ? " bias" : "") +
         (c.activation ? " activation " + std::to_string(static_cast<int>(*c.activation)) : "") +
         (c.gated ? " gated" : "");
}

// Operands of one product and a run of it on any table.
class Product {
 public:
  Product(const ProductCase& c, uint64_t seed) : case_(c), values_(seed) {
    x_ = values_.elements(c.M * (c.K + c.x_gap), c.weight);
    const int64_t sums = c.gated ? gated_columns(c.N) : c.N;
    bias_ = values_.elements(sums, DType::kF32);
    source_ = values_.elements((c.gated ? 2 : 1) * c.N * c.K, c.weight);
    PackedWeight w{.data = nullptr, .dtype = c.weight, .N = sums, .K = c.K};
    // Cache-line aligned, as Region allocates.
    packed_.resize(static_cast<size_t>(w.bytes()) + 64);
    w.data = packed_.data() + (64 - reinterpret_cast<uintptr_t>(packed_.data()) % 64) % 64;
    args_.w = w;
    args_.x = make_tensor(x_.data(), c.weight, {c.M, c.K + c.x_gap}).columns(0, c.K);
    args_.activation = c.activation;
    if (c.bias) args_.bias = make_tensor(bias_.data(), DType::kF32, {sums});
    args_.gated = c.gated;
  }

  // Multiplies only the first `rows` rows from now on.
  void keep_rows(int64_t rows) {
    case_.M = rows;
    args_.x = args_.x.rows(0, rows);
  }

  // The bytes of the whole output, gaps between rows included.
  std::vector<std::byte> run(OpFn<Linear> linear, Execution& execution) {
    const ProductCase& c = case_;
    std::vector<std::byte> out(static_cast<size_t>(c.M * (c.N + c.out_gap)) * size_of(c.out),
                               std::byte{0x5a});
    args_.out = make_tensor(out.data(), c.out, {c.M, c.N + c.out_gap}).columns(0, c.N);
    PackWeight pack{.source = source_.data(),
                    .source_dtype = c.weight,
                    .N = c.N,
                    .K = c.K,
                    .source_stride = c.K,
                    .w = args_.w,
                    .column = 0,
                    .panel_step = c.gated ? 2 : 1};
    reference_ops().pack_weight(execution, pack);
    if (c.gated) {
      pack.source = source_.data() + c.N * c.K * static_cast<int64_t>(size_of(c.weight));
      pack.column = kPanelColumns;
      reference_ops().pack_weight(execution, pack);
    }
    EXPECT_EQ(linear(execution, args_), Progress::kDone);
    return out;
  }

 private:
  ProductCase case_;
  RandomValues values_;
  std::vector<std::byte> x_, bias_, source_, packed_;
  Linear args_{};
};

}  // namespace tessera
