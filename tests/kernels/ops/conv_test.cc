#include "kernels/ops/conv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/ops/linear.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

struct Convolution {
  int height, width;
  int64_t C;
  int kernel;
  bool twice;
};

const Convolution kConvolutions[] = {
    {1, 1, 1, 3, false}, {5, 7, 3, 3, false}, {4, 6, 16, 1, false}, {3, 4, 20, 3, true},
    {1, 9, 4, 5, false}, {2, 2, 33, 5, true}, {12, 9, 64, 3, false}};

int64_t out_pixels(const Convolution& c) { return int64_t{c.height} * c.width * (c.twice ? 4 : 1); }

std::vector<float> pixels_of(const Convolution& c) {
  std::mt19937 random(static_cast<unsigned>(c.C));
  return random_floats(random, int64_t{c.height} * c.width * c.C);
}

// Rows [first, first + R) of the windows, in a wider matrix.
Tensor run_im2col(Device& device, const Convolution& c, DType in, DType out, int64_t first,
                  int64_t R, bool strided) {
  const int64_t P = int64_t{c.height} * c.width, columns = int64_t{c.kernel} * c.kernel * c.C;
  const std::vector<float> pixels = pixels_of(c);
  const int64_t stride = strided ? c.C + 5 : c.C;
  std::vector<float> spread(static_cast<size_t>(P * stride), 77.0f);
  for (int64_t p = 0; p < P; ++p) {
    std::copy_n(pixels.begin() + p * c.C, c.C, spread.begin() + p * stride);
  }
  const Tensor picture = device.put_rounded(in, {P, stride}, spread).columns(0, c.C);
  const Tensor whole = device.zeros(out, {R, columns + 2});
  im2col(device.stream(), {.in = picture,
                           .height = c.height,
                           .width = c.width,
                           .kernel = c.kernel,
                           .twice = c.twice,
                           .first = first,
                           .out = whole.columns(0, columns)});
  return whole;
}

TEST(Im2Col, SameBitsOnEveryLevel) {
  for (const Convolution& c : kConvolutions) {
    test::expect_same_bits("im2col", [&](Device& device) {
      std::vector<Tensor> out;
      const int64_t P = out_pixels(c), part = P / 3;
      for (const bool strided : {false, true}) {
        out.push_back(run_im2col(device, c, DType::kBf16, DType::kBf16, 0, P, strided));
        out.push_back(run_im2col(device, c, DType::kF32, DType::kBf16, part, P - part, strided));
        out.push_back(run_im2col(device, c, DType::kF32, DType::kF32, P - 1, 1, strided));
      }
      return out;
    });
  }
}

// With the product of its windows, a chunk at a time, it is a convolution.
TEST(Im2Col, ThenLinearIsAConvolution) {
  for (const Convolution& c : kConvolutions) {
    const int64_t N = 5, K = int64_t{c.kernel} * c.kernel * c.C, P = out_pixels(c);
    const int height = c.height * (c.twice ? 2 : 1), width = c.width * (c.twice ? 2 : 1);
    const std::vector<float> pixels = pixels_of(c);
    std::mt19937 random(9);
    const std::vector<float> weight = random_floats(random, N * K);  // [N, ky, kx, c]
    Device device(test::reference_level());
    const PackedWeight w = device.put_weight(DType::kF32, N, K, weight);
    const Tensor out = device.zeros(DType::kF32, {P, N});
    for (int64_t first = 0; first < P; first += 7) {
      const int64_t R = std::min<int64_t>(7, P - first);
      const Tensor rows = run_im2col(device, c, DType::kF32, DType::kF32, first, R, false);
      linear(device.stream(), Linear{rows.columns(0, K), w, {}, out.rows(first, R)});
    }
    const std::vector<float> found = device.get<float>(out);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int64_t n = 0; n < N; ++n) {
          double truth = 0, magnitude = 0;
          for (int ky = 0; ky < c.kernel; ++ky) {
            for (int kx = 0; kx < c.kernel; ++kx) {
              const int from_y = y + ky - c.kernel / 2, from_x = x + kx - c.kernel / 2;
              if (from_y < 0 || from_y >= height || from_x < 0 || from_x >= width) continue;
              const int shrink = c.twice ? 2 : 1;
              const int64_t pixel = int64_t{from_y / shrink} * c.width + from_x / shrink;
              for (int64_t channel = 0; channel < c.C; ++channel) {
                const double term = static_cast<double>(pixels[pixel * c.C + channel]) *
                                    weight[((n * c.kernel + ky) * c.kernel + kx) * c.C + channel];
                truth += term;
                magnitude += std::abs(term);
              }
            }
          }
          ASSERT_NEAR(found[(int64_t{y} * width + x) * N + n], truth, magnitude * 1e-6);
        }
      }
    }
  }
}

TEST(Im2ColDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const Im2Col good = {.in = device.zeros(DType::kBf16, {12, 4}),
                       .height = 3,
                       .width = 4,
                       .kernel = 3,
                       .twice = false,
                       .first = 2,
                       .out = device.zeros(DType::kBf16, {10, 36})};
  im2col(device.stream(), good);
  device.run();
  const auto expect_death = [&](auto&& spoil, const char* words) {
    Im2Col a = good;
    spoil(a);
    EXPECT_DEATH(im2col(device.stream(), a), words);
  };
  expect_death([](Im2Col& a) { a.first = 3; }, "first");
  expect_death([](Im2Col& a) { a.first = -1; }, "first");
  expect_death([](Im2Col& a) { a.kernel = 2; }, "kernel");
  expect_death([](Im2Col& a) { a.kernel = -3; }, "kernel");
  expect_death([](Im2Col& a) { a.kernel = 5; }, "out");
  expect_death([](Im2Col& a) { a.height = 4; }, "tensor in");
  expect_death([](Im2Col& a) { a.height = -3, a.width = -4; }, "height");
  expect_death([&](Im2Col& a) { a.out = device.zeros(DType::kF32, {10, 36}); }, "out");
}

struct Norm {
  int64_t P, C;
  int groups;
  float mean;
};

const Norm kNorms[] = {{1, 4, 2, 0},     {7, 12, 3, 0},     {64, 32, 8, 1},   {65, 64, 32, 0},
                       {130, 33, 11, 5}, {300, 128, 32, 0}, {200, 48, 1, 100}};

// out, in; every matrix is columns of a wider one, so the rest of it shows stray writes.
std::vector<Tensor> run_norm(Device& device, const Norm& n, DType dtype, bool silu, bool in_place) {
  std::mt19937 random(static_cast<unsigned>(n.P * 100 + n.C));
  std::vector<float> values = random_floats(random, n.P * (n.C + 3), 2.0f);
  for (float& one : values) one += n.mean;
  const Tensor whole = device.put(DType::kF32, {n.P, n.C + 3}, values);
  const Tensor out = device.zeros(dtype, {n.P, n.C + 3});
  GroupNorm a{};
  a.in = whole.columns(1, n.C);
  a.groups = n.groups;
  a.eps = 1e-6f;
  a.gain = device.put(DType::kF32, {n.C}, random_floats(random, n.C));
  a.bias = device.put(DType::kF32, {n.C}, random_floats(random, n.C));
  a.silu = silu;
  a.out = in_place ? a.in : out.columns(2, n.C);
  group_norm(device.stream(), a);
  return {out, whole, a.gain, a.bias};
}

TEST(GroupNorm, SameBitsOnEveryLevel) {
  for (const Norm& n : kNorms) {
    for (const bool silu : {false, true}) {
      test::expect_same_bits("group_norm", [&](Device& device) {
        std::vector<Tensor> out = run_norm(device, n, DType::kBf16, silu, false);
        for (const bool in_place : {false, true}) {
          for (const Tensor& one : run_norm(device, n, DType::kF32, silu, in_place)) {
            out.push_back(one);
          }
        }
        return out;
      });
    }
  }
}

TEST(GroupNorm, AgreesWithDoublePrecision) {
  for (const Norm& n : kNorms) {
    for (const bool silu : {false, true}) {
      Device device(test::reference_level());
      const std::vector<Tensor> out = run_norm(device, n, DType::kF32, silu, false);
      const std::vector<float> found = device.get<float>(out[0]), in = device.get<float>(out[1]);
      const std::vector<float> gain = device.get<float>(out[2]), bias = device.get<float>(out[3]);
      const int64_t group_width = n.C / n.groups, stride = n.C + 3;
      for (int group = 0; group < n.groups; ++group) {
        const auto for_each = [&](auto&& visit) {
          for (int64_t p = 0; p < n.P; ++p) {
            for (int64_t c = group * group_width; c < (group + 1) * group_width; ++c) visit(p, c);
          }
        };
        const double count = static_cast<double>(n.P * group_width);
        double mean = 0, variance = 0;
        for_each([&](int64_t p, int64_t c) { mean += in[p * stride + 1 + c] / count; });
        for_each([&](int64_t p, int64_t c) {
          variance += std::pow(in[p * stride + 1 + c] - mean, 2) / count;
        });
        for_each([&](int64_t p, int64_t c) {
          double truth =
              (in[p * stride + 1 + c] - mean) / std::sqrt(variance + 1e-6) * gain[c] + bias[c];
          if (silu) truth = truth / (1 + std::exp(-truth));
          ASSERT_NEAR(found[p * stride + 2 + c], truth, 2e-6 * (2 + std::abs(truth) + n.mean));
        });
      }
      for (int64_t p = 0; p < n.P; ++p) {
        for (const int64_t outside : {int64_t{0}, int64_t{1}, stride - 1}) {
          ASSERT_EQ(found[p * stride + outside], 0.0f);
        }
      }
    }
  }
}

TEST(GroupNormDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const auto tensor = [&](std::initializer_list<int64_t> shape) {
    return device.zeros(DType::kF32, shape);
  };
  GroupNorm good{};
  good.in = tensor({9, 12});
  good.groups = 4;
  good.gain = good.bias = tensor({12});
  good.out = tensor({9, 12});
  group_norm(device.stream(), good);
  device.run();
  const auto expect_death = [&](auto&& spoil, const char* words) {
    GroupNorm a = good;
    spoil(a);
    EXPECT_DEATH(group_norm(device.stream(), a), words);
  };
  expect_death([](GroupNorm& a) { a.groups = 5; }, "groups");
  expect_death([](GroupNorm& a) { a.groups = 0; }, "groups");
  expect_death([&](GroupNorm& a) { a.gain = tensor({11}); }, "gain");
  expect_death([&](GroupNorm& a) { a.bias = tensor({13}); }, "bias");
  expect_death([&](GroupNorm& a) { a.out = tensor({8, 12}); }, "out");
  expect_death([&](GroupNorm& a) { a.in = device.zeros(DType::kBf16, {9, 12}); }, "tensor in");
}

}  // namespace
}  // namespace tessera
