#include "kernels/ops/feature.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/ops/norm.h"
#include "kernels/ops/position.h"
#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

// T rows of width D on both sides; of each, `chosen` are named by a shuffled list.
struct Rows {
  int64_t T, D;
  std::vector<float> stream, other, modulation;  // modulation [2, 3 D]: the gate is the middle
  std::vector<int32_t> chosen, slots, row_mod;

  float gate(size_t k, int64_t d) const { return modulation[row_mod[k] * 3 * D + D + d]; }
};

std::vector<int32_t> some_of(std::mt19937& random, int64_t count, int64_t chosen) {
  std::vector<int32_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), random);
  all.resize(static_cast<size_t>(chosen));
  return all;
}

Rows make_rows(int64_t T, int64_t D) {
  std::mt19937 random(static_cast<unsigned>(T * 100 + D));
  Rows rows{T,
            D,
            random_floats(random, T * D),
            random_floats(random, T * D),
            random_floats(random, 6 * D),
            {},
            {},
            {}};
  const int64_t n = (T + 1) / 2;
  rows.chosen = some_of(random, T, n);
  rows.slots = some_of(random, T, n);
  for (int64_t k = 0; k < n; ++k) rows.row_mod.push_back(static_cast<int32_t>(random() % 2));
  return rows;
}

// The operands on a device; every matrix is columns of a wider one.
struct Placed {
  Tensor stream_whole, other_whole;
  Tensor stream, other, gate, chosen, slots, row_mod;
};

Tensor put_strided(Device& device, const std::vector<float>& values, int64_t T, int64_t D) {
  const Tensor whole = device.zeros(DType::kF32, {T, D + 3});
  for (int64_t t = 0; t < T; ++t) {
    Tensor row = whole.rows(t, 1).columns(2, D);
    row.rank = 1;
    row.shape = {D};
    row.stride = {1};
    device.stream().upload(row, std::span<const float>(values).subspan(t * D, D));
  }
  device.run();
  return whole;
}

Placed place(Device& device, const Rows& rows) {
  Placed p;
  p.stream_whole = put_strided(device, rows.stream, rows.T, rows.D);
  p.other_whole = put_strided(device, rows.other, rows.T, rows.D);
  p.stream = p.stream_whole.columns(2, rows.D);
  p.other = p.other_whole.columns(2, rows.D);
  p.gate = device.put(DType::kF32, {2, 3 * rows.D}, rows.modulation).columns(rows.D, rows.D);
  p.chosen = device.put_ints(rows.chosen);
  p.slots = device.put_ints(rows.slots);
  p.row_mod = device.put_ints(rows.row_mod);
  return p;
}

std::vector<float> inner(Device& device, const Tensor& whole) {
  const std::vector<float> all = device.get<float>(whole);
  std::vector<float> values;
  const int64_t width = whole.dim(1);
  for (int64_t t = 0; t < whole.dim(0); ++t) {
    for (const int64_t outside : {int64_t{0}, int64_t{1}, width - 1}) {
      EXPECT_EQ(all[t * width + outside], 0.0f);
    }
    values.insert(values.end(), all.begin() + t * width + 2, all.begin() + (t + 1) * width - 1);
  }
  return values;
}

enum class Form { kPlain, kGated, kGatedByRowZero, kWithoutIndex, kMinus, kGatedMinus };
constexpr Form kForms[] = {Form::kPlain,        Form::kGated, Form::kGatedByRowZero,
                           Form::kWithoutIndex, Form::kMinus, Form::kGatedMinus};

bool is_gated(Form form) {
  return form == Form::kGated || form == Form::kGatedByRowZero || form == Form::kGatedMinus;
}
bool is_minus(Form form) { return form == Form::kMinus || form == Form::kGatedMinus; }

// The store: `other`.
Tensor run_put(Device& device, const Rows& rows, Form form) {
  const Placed p = place(device, rows);
  FeaturePut a{};
  a.rows = p.stream;
  if (form != Form::kWithoutIndex) a.index = p.chosen;
  if (is_gated(form)) a.gate = p.gate;
  if (is_gated(form) && form != Form::kGatedByRowZero) a.row_mod = p.row_mod;
  a.slots = p.slots;
  a.store = p.other;
  a.minus_store = is_minus(form);
  feature_put(device.stream(), a);
  return p.other_whole;
}

Tensor run_add(Device& device, const Rows& rows, Form form) {
  const Placed p = place(device, rows);
  FeatureAdd a{};
  a.store = p.other;
  a.slots = p.slots;
  if (is_gated(form)) a.gate = p.gate;
  if (is_gated(form) && form != Form::kGatedByRowZero) a.row_mod = p.row_mod;
  if (form != Form::kWithoutIndex) a.rows = p.chosen;
  a.residual = p.stream;
  feature_add(device.stream(), a);
  return p.stream_whole;
}

TEST(Feature, SameBitsOnEveryLevel) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const Rows rows = make_rows(shape[0], shape[1]);
    for (const Form form : kForms) {
      test::expect_same_bits("feature", [&](Device& device) {
        return std::vector<Tensor>{run_put(device, rows, form), run_add(device, rows, form)};
      });
    }
  }
}

TEST(Feature, PutsAndAddsTheRowsThatAreNamed) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const Rows rows = make_rows(shape[0], shape[1]);
    const int64_t D = rows.D;
    for (const Form form : kForms) {
      Device device(test::reference_level());
      std::vector<float> store = rows.other, stream = rows.stream;
      for (size_t k = 0; k < rows.slots.size(); ++k) {
        const int64_t row = form == Form::kWithoutIndex ? static_cast<int64_t>(k) : rows.chosen[k];
        for (int64_t d = 0; d < D; ++d) {
          const float gate =
              form == Form::kGatedByRowZero ? rows.modulation[D + d] : rows.gate(k, d);
          const float fresh = rows.stream[row * D + d], kept = rows.other[rows.slots[k] * D + d];
          const float value = is_gated(form) ? gate * fresh : fresh;
          store[rows.slots[k] * D + d] = is_minus(form) ? value - kept : value;
          stream[row * D + d] = is_gated(form) ? std::fma(gate, kept, fresh) : fresh + kept;
        }
      }
      EXPECT_EQ(inner(device, run_put(device, rows, form)), store);
      EXPECT_EQ(inner(device, run_add(device, rows, form)), stream);
    }
  }
}

// What blocks add to the stream, kept at their end and added elsewhere: the stream as it was.
TEST(Feature, ARangeDeltaIsWhatTheRangeAdded) {
  Device device(test::reference_level());
  const std::vector<float> before = {1, 2, 3, 4}, after = {2, -6, 3, 0.5f};
  const Tensor stream = device.put(DType::kF32, {2, 2}, before);
  const Tensor store = device.zeros(DType::kF32, {3, 2});
  const Tensor slots = device.put_ints({2, 0});
  FeaturePut put{};
  put.rows = stream;
  put.slots = slots;
  put.store = store;
  feature_put(device.stream(), put);
  device.stream().upload(stream, std::span<const float>(after));
  put.minus_store = true;
  feature_put(device.stream(), put);
  device.stream().upload(stream, std::span<const float>(before));
  FeatureAdd add{};
  add.store = store;
  add.slots = slots;
  add.residual = stream;
  feature_add(device.stream(), add);
  EXPECT_EQ(device.get<float>(stream), after);
}

TEST(AddRowsGated, SameBitsOnEveryLevelAndAsFeatureAdd) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const Rows rows = make_rows(shape[0], shape[1]);
    for (const Form form : {Form::kGated, Form::kGatedByRowZero}) {
      const auto body = [&](Device& device) {
        const Placed p = place(device, rows);
        const int64_t n = static_cast<int64_t>(rows.slots.size());
        const Tensor delta = device.zeros(DType::kF32, {n, rows.D});
        gather_rows(device.stream(), GatherRows{p.other, p.slots, delta});
        AddRows a{};
        a.delta = delta;
        a.rows = p.chosen;
        a.residual = p.stream;
        a.gate = p.gate;
        if (form == Form::kGated) a.row_mod = p.row_mod;
        add_rows(device.stream(), a);
        return std::vector<Tensor>{p.stream_whole};
      };
      test::expect_same_bits("add_rows", body);
      Device device(test::reference_level());
      EXPECT_EQ(device.get<float>(body(device)[0]), device.get<float>(run_add(device, rows, form)));
    }
  }
}

TEST(AddPositions, SameBitsOnEveryLevelAndSums) {
  std::mt19937 random(3);
  for (const int64_t Da : {1, 16, 21}) {
    for (const int64_t Db : {0, 8, 33}) {
      const int64_t T = 9, A = 4, B = 5, D = Da + Db;
      const std::vector<float> residual = random_floats(random, T * D);
      const std::vector<float> table_a = random_floats(random, A * Da);
      const std::vector<float> table_b = random_floats(random, B * Db);
      for (const bool all : {true, false}) {
        const int64_t R = all ? T : 5;
        const std::vector<int32_t> rows = some_of(random, T, R);
        std::vector<int32_t> a(static_cast<size_t>(R)), b(a.size());
        for (int32_t& one : a) one = static_cast<int32_t>(random() % A);
        for (int32_t& one : b) one = static_cast<int32_t>(random() % B);
        const auto body = [&](Device& device) {
          AddPositions args{};
          args.table_a = device.put(DType::kF32, {A, Da}, table_a);
          args.index_a = device.put_ints(a);
          if (Db > 0) args.table_b = device.put(DType::kF32, {B, Db}, table_b);
          if (Db > 0) args.index_b = device.put_ints(b);
          if (!all) args.rows = device.put_ints(rows);
          args.residual = device.put(DType::kF32, {T, D}, residual);
          add_positions(device.stream(), args);
          return std::vector<Tensor>{args.residual};
        };
        test::expect_same_bits("add_positions", body);
        std::vector<float> truth = residual;
        for (int64_t r = 0; r < R; ++r) {
          const int64_t row = all ? r : rows[r];
          for (int64_t d = 0; d < Da; ++d) truth[row * D + d] += table_a[a[r] * Da + d];
          for (int64_t d = 0; d < Db; ++d) truth[row * D + Da + d] += table_b[b[r] * Db + d];
        }
        Device device(test::reference_level());
        EXPECT_EQ(device.get<float>(body(device)[0]), truth);
      }
    }
  }
}

TEST(FeatureDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const auto tensor = [&](std::initializer_list<int64_t> shape) {
    return device.zeros(DType::kF32, shape);
  };
  FeaturePut put{};
  put.rows = tensor({4, 8});
  put.slots = device.put_ints({0, 1, 2, 3, 4});
  put.store = tensor({6, 8});
  EXPECT_DEATH(feature_put(device.stream(), put), "count");  // more slots than rows
  put.index = device.put_ints({0, 1, 2});
  EXPECT_DEATH(feature_put(device.stream(), put), "index");
  put.slots = put.index;
  put.gate = tensor({2, 9});
  EXPECT_DEATH(feature_put(device.stream(), put), "gate");
  put.gate = tensor({2, 8});
  put.row_mod = device.put_ints({0});
  EXPECT_DEATH(feature_put(device.stream(), put), "row_mod");
  put.row_mod = put.index;
  put.store = tensor({6, 7});
  EXPECT_DEATH(feature_put(device.stream(), put), "store");
  FeatureAdd add{};
  add.store = tensor({6, 8});
  add.slots = put.slots;
  add.residual = tensor({2, 8});
  EXPECT_DEATH(feature_add(device.stream(), add), "count");
  AddPositions positions{};
  positions.table_a = tensor({2, 4});
  positions.index_a = device.put_ints({0, 1});
  positions.residual = tensor({2, 8});
  EXPECT_DEATH(add_positions(device.stream(), positions), "residual");
  positions.table_b = tensor({2, 4});
  EXPECT_DEATH(add_positions(device.stream(), positions), "table_b");
}

// Indices stand in device memory: the op itself refuses those that leave a tensor.
TEST(FeatureDeathTest, RefusesIndicesOutside) {
  for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
    for (const int32_t outside : {-1, 6}) {
      EXPECT_DEATH(
          {
            Device device(level);
            FeaturePut put{};
            put.rows = device.zeros(DType::kF32, {1, 8});
            put.slots = device.put_ints({outside});
            put.store = device.zeros(DType::kF32, {6, 8});
            feature_put(device.stream(), put);
            device.run();
          },
          "row >= 0");
    }
  }
}

}  // namespace
}  // namespace tessera
