#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/cpu/reference/elements.h"
#include "kernels/ops/attention.h"
#include "support/kv_pages.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;

struct RopeCase {
  int64_t H, Hkv, Dh;
  DType dtype;
  bool normed;
  bool rotated = true;
  int64_t T = 6, P = 40, blocks = 3;
  std::vector<int32_t> positions = {0, 1, 39, 7, 7, 20};
  std::vector<int32_t> slots = {0, 17, -1, 47, 16, 5};
  std::vector<float> qkv = {}, cos_sin = {}, q_gain = {}, k_gain = {};
};

// Tokens that follow each other in pages: whole pages, tails, odd beginnings, holes, a step back.
void take_runs(RopeCase& c) {
  c.slots.clear();
  for (const auto& [begin, end] : {std::pair{16, 33}, {5, 8}, {35, 40}, {64, 80}, {8, 16}}) {
    for (int32_t slot = begin; slot < end; ++slot) c.slots.push_back(slot);
  }
  c.slots.insert(c.slots.begin() + 20, {-1, -1, 90});
  c.T = static_cast<int64_t>(c.slots.size());
  c.blocks = 6;
  c.positions.clear();
  for (int32_t t = 0; t < c.T; ++t) c.positions.push_back(t * 7 % 40);
}

RopeCase make_case(const std::vector<int64_t>& heads, DType dtype, bool normed, bool rotated = true,
                   bool runs = false) {
  RopeCase c{heads[0], heads[1], heads[2], dtype, normed, rotated};
  if (runs) take_runs(c);
  std::mt19937 random(static_cast<unsigned>(c.H * 100 + c.Dh));
  c.qkv = test::random_floats(random, c.T * (c.H + 2 * c.Hkv) * c.Dh, 2.0f);
  for (int64_t position = 0; position < c.P; ++position) {
    for (const bool sine : {false, true}) {
      for (int64_t d = 0; d < c.Dh / 2; ++d) {
        const double angle =
            static_cast<double>(position) *
            std::pow(100.0, -2.0 * static_cast<double>(d) / static_cast<double>(c.Dh));
        c.cos_sin.push_back(static_cast<float>(sine ? std::sin(angle) : std::cos(angle)));
      }
    }
  }
  c.q_gain = test::random_floats(random, c.Dh);
  c.k_gain = test::random_floats(random, c.Dh);
  return c;
}

// q, k pages, v pages
std::vector<Tensor> run_rope(Device& device, const RopeCase& c) {
  const test::Pages pages = test::make_pages(device, c.dtype, c.blocks, c.Hkv, c.Dh, 123.0f);
  RopeAndStore a{};
  a.qkv = device.put(DType::kF32, {c.T, (c.H + 2 * c.Hkv) * c.Dh}, c.qkv);
  if (c.rotated) a.positions = device.put_ints(c.positions);
  if (c.rotated) a.cos_sin = device.put(DType::kF32, {c.P, 2, c.Dh / 2}, c.cos_sin);
  if (c.normed) a.q_gain = device.put(DType::kF32, {c.Dh}, c.q_gain);
  if (c.normed) a.k_gain = device.put(DType::kF32, {c.Dh}, c.k_gain);
  a.norm_eps = 1e-6f;
  a.slots = device.put_ints(c.slots);
  a.H = static_cast<int>(c.H);
  a.Hkv = static_cast<int>(c.Hkv);
  a.Dh = static_cast<int>(c.Dh);
  const Tensor q = device.zeros(c.dtype, {c.T, c.H, c.Dh});
  if (c.H > 0) a.q = q;
  a.k_pages = pages.k;
  a.v_pages = pages.v;
  rope_and_store(device.stream(), a);
  return {q, a.k_pages, a.v_pages};
}

// Head `head` (of q, then k, then v) of row t, normalised and rotated in double precision.
std::vector<double> oracle_head(const RopeCase& c, int64_t t, int64_t head) {
  const float* in = c.qkv.data() + (t * (c.H + 2 * c.Hkv) + head) * c.Dh;
  std::vector<double> x(in, in + c.Dh);
  if (head >= c.H + c.Hkv) return x;
  if (c.normed) {
    double squares = 0;
    for (const double one : x) squares += one * one;
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(c.Dh) + 1e-6);
    const std::vector<float>& gain = head < c.H ? c.q_gain : c.k_gain;
    for (int64_t d = 0; d < c.Dh; ++d) x[d] *= inverse * gain[d];
  }
  if (!c.rotated) return x;
  std::vector<double> out(x.size());
  const int64_t half = c.Dh / 2;
  for (int64_t d = 0; d < half; ++d) {
    const double cosine = c.cos_sin[(c.positions[t] * 2) * half + d];
    const double sine = c.cos_sin[(c.positions[t] * 2 + 1) * half + d];
    out[d] = x[d] * cosine - x[d + half] * sine;
    out[d + half] = x[d + half] * cosine + x[d] * sine;
  }
  return out;
}

TEST(RopeAndStore, SameBitsOnEveryLevel) {
  for (const std::vector<int64_t>& heads : test::read_shapes("heads", 3)) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const bool normed : {false, true}) {
        for (const bool runs : {false, true}) {
          const RopeCase c = make_case(heads, dtype, normed, true, runs);
          test::expect_same_bits("rope", [&](Device& device) { return run_rope(device, c); });
        }
      }
    }
  }
}

// As diffusion uses it: nothing is rotated, and cross attention stores keys without queries.
std::vector<RopeCase> unrotated_cases() {
  std::vector<RopeCase> cases;
  for (const std::vector<int64_t>& heads : test::read_shapes("heads", 3)) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      cases.push_back(make_case(heads, dtype, false, false));
      cases.push_back(make_case({0, heads[1], heads[2]}, dtype, heads[1] == 2, false));
    }
  }
  cases.push_back(make_case({0, 1, 512}, DType::kBf16, false, false));
  cases.push_back(make_case({0, 3, 64}, DType::kBf16, true, true));
  cases.push_back(make_case({2, 2, 72}, DType::kBf16, false, false, true));
  return cases;
}

TEST(RopeAndStore, SameBitsWithoutRotationOrQueries) {
  for (const RopeCase& c : unrotated_cases()) {
    test::expect_same_bits("rope", [&](Device& device) { return run_rope(device, c); });
  }
}

TEST(RopeAndStoreDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const test::Pages pages = test::make_pages(device, DType::kBf16, 1, 2, 8, 0.0f);
  RopeAndStore good{};
  good.qkv = device.zeros(DType::kF32, {3, 32});
  good.slots = device.put_ints({0, 1, 2});
  good.Hkv = 2;
  good.Dh = 8;
  good.k_pages = pages.k;
  good.v_pages = pages.v;
  rope_and_store(device.stream(), good);
  device.run();
  const auto expect_death = [&](auto&& spoil, const char* words) {
    RopeAndStore a = good;
    spoil(a);
    EXPECT_DEATH(rope_and_store(device.stream(), a), words);
  };
  expect_death([](RopeAndStore& a) { a.H = 2; }, "qkv");
  expect_death([](RopeAndStore& a) { a.H = -2; }, "a.H");
  expect_death([](RopeAndStore& a) { a.Dh = 4; }, "qkv");
  expect_death([&](RopeAndStore& a) { a.positions = device.put_ints({0}); }, "positions");
  expect_death(
      [&](RopeAndStore& a) {
        a.cos_sin = device.zeros(DType::kF32, {4, 2, 4});
      },
      "positions");
}

void expect_right(const RopeCase& c) {
  Device device(test::reference_level());
  const std::vector<Tensor> out = run_rope(device, c);
  const std::vector<float> q = device.get_floats(out[0]);
  std::vector<float> k = device.get_floats(out[1]), v = device.get_floats(out[2]);
  const double relative = c.dtype == DType::kBf16 ? 0x1.1p-8 : 0x1p-20;
  const auto expect_near = [&](float found, double truth) {
    ASSERT_NEAR(found, truth, std::abs(truth) * relative + 0x1p-19);
  };
  for (int64_t t = 0; t < c.T; ++t) {
    for (int64_t head = 0; head < c.H + 2 * c.Hkv; ++head) {
      const std::vector<double> truth = oracle_head(c, t, head);
      for (int64_t d = 0; d < c.Dh; ++d) {
        if (head < c.H) {
          expect_near(q[(t * c.H + head) * c.Dh + d], truth[d]);
          continue;
        }
        if (c.slots[t] < 0) continue;
        const int64_t kv_head = (head - c.H) % c.Hkv;
        float& stored = head < c.H + c.Hkv
                            ? k[test::k_at(c.dtype, c.Hkv, c.Dh, c.slots[t], kv_head, d)]
                            : v[test::v_at(c.dtype, c.Hkv, c.Dh, c.slots[t], kv_head, d)];
        expect_near(stored, truth[d]);
        stored = 123.0f;  // so that what remains shows what else was written
      }
    }
  }
  for (const float one : k) ASSERT_EQ(one, 123.0f);
  for (const float one : v) ASSERT_EQ(one, 123.0f);
}

TEST(RopeAndStore, AgreesWithDoublePrecisionAndWritesNothingElse) {
  for (const std::vector<int64_t>& heads : test::read_shapes("heads", 3)) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const bool normed : {false, true}) {
        expect_right(make_case(heads, dtype, normed));
        expect_right(make_case(heads, dtype, normed, true, true));
      }
    }
  }
  for (const RopeCase& c : unrotated_cases()) expect_right(c);
}

}  // namespace
}  // namespace tessera
