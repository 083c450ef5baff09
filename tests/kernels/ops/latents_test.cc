#include <gtest/gtest.h>

#include <cmath>

#include "kernels/ops/combine.h"
#include "kernels/ops/patch.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

struct Picture {
  int channels, frames, height, width, patch;
};

const Picture kPictures[] = {{4, 1, 8, 6, 2}, {4, 3, 4, 10, 2}, {1, 1, 1, 1, 1},
                             {3, 1, 5, 7, 1}, {16, 2, 9, 6, 3}, {8, 1, 64, 64, 1}};

int64_t elements(const Picture& p) { return int64_t{p.channels} * p.frames * p.height * p.width; }
int64_t tokens(const Picture& p) {
  return int64_t{p.frames} * (p.height / p.patch) * (p.width / p.patch);
}

constexpr int64_t kOffset = 13;

Patchify patches_of(const Picture& p, const Tensor& pool, const Tensor& rows) {
  return {.pool = pool,
          .offset = kOffset,
          .channels = p.channels,
          .frames = p.frames,
          .height = p.height,
          .width = p.width,
          .patch = p.patch,
          .rows = rows};
}

TEST(Patches, SameBitsOnEveryLevel) {
  for (const Picture& p : kPictures) {
    std::mt19937 random(1);
    const std::vector<float> pool = random_floats(random, elements(p) + 2 * kOffset);
    const int64_t columns = int64_t{p.channels} * p.patch * p.patch;
    const std::vector<float> answers = random_floats(random, tokens(p) * 2 * columns);
    test::expect_same_bits("patchify", [&](Device& device) {
      const Tensor in = device.put(DType::kF32, {static_cast<int64_t>(pool.size())}, pool);
      std::vector<Tensor> out;
      for (const DType dtype : {DType::kBf16, DType::kF32}) {
        out.push_back(device.zeros(dtype, {tokens(p), columns + 4}));
        Patchify a = patches_of(p, in, out.back().columns(4, columns));
        patchify(device.stream(), a);
        out.push_back(device.zeros(dtype, {tokens(p), columns}));
        a.rows = out.back();
        a.scale = 5.49f;
        a.shift = -0.3f;
        patchify(device.stream(), a);
      }
      const Tensor written = device.put(DType::kF32, {static_cast<int64_t>(pool.size())}, pool);
      unpatchify(device.stream(),
                 {.rows = device.put(DType::kF32, {tokens(p), 2 * columns}, answers),
                  .pool = written,
                  .offset = kOffset,
                  .channels = p.channels,
                  .frames = p.frames,
                  .height = p.height,
                  .width = p.width,
                  .patch = p.patch});
      out.push_back(written);
      return out;
    });
  }
}

TEST(Patches, StandWhereTheHeaderSays) {
  for (const Picture& p : kPictures) {
    // Every element of the pool is its own index, so it shows where it went.
    std::vector<float> pool(static_cast<size_t>(elements(p) + 2 * kOffset));
    for (size_t i = 0; i < pool.size(); ++i) pool[i] = static_cast<float>(i);
    const int64_t columns = int64_t{p.channels} * p.patch * p.patch;
    Device device(test::reference_level());
    const Tensor rows = device.zeros(DType::kF32, {tokens(p), columns});
    const Tensor answers = device.zeros(DType::kF32, {tokens(p), columns});
    const Tensor in = device.put(DType::kF32, {static_cast<int64_t>(pool.size())}, pool);
    patchify(device.stream(), patches_of(p, in, rows));
    const std::vector<float> found = device.get<float>(rows);
    std::vector<float> reordered(found.size());
    const auto at = [&](int c, int f, int y, int x) {
      return kOffset + ((int64_t{c} * p.frames + f) * p.height + y) * p.width + x;
    };
    for (int c = 0; c < p.channels; ++c) {
      for (int f = 0; f < p.frames; ++f) {
        for (int y = 0; y < p.height; ++y) {
          for (int x = 0; x < p.width; ++x) {
            const int64_t row =
                (int64_t{f} * (p.height / p.patch) + y / p.patch) * (p.width / p.patch) +
                x / p.patch;
            const int dy = y % p.patch, dx = x % p.patch;
            const float value = found[row * columns + (c * p.patch + dy) * p.patch + dx];
            ASSERT_EQ(value, static_cast<float>(at(c, f, y, x)));
            reordered[row * columns + (dy * p.patch + dx) * p.channels + c] = value;
          }
        }
      }
    }
    device.stream().upload(answers, std::span<const float>(reordered));
    const Tensor blank = device.zeros(DType::kF32, {static_cast<int64_t>(pool.size())});
    unpatchify(device.stream(), {.rows = answers,
                                 .pool = blank,
                                 .offset = kOffset,
                                 .channels = p.channels,
                                 .frames = p.frames,
                                 .height = p.height,
                                 .width = p.width,
                                 .patch = p.patch});
    std::vector<float> back = device.get<float>(blank);
    for (int64_t i = 0; i < kOffset; ++i) {
      pool[i] = 0;
      pool[pool.size() - 1 - i] = 0;
    }
    EXPECT_EQ(back, pool);
  }
}

TEST(Patches, DropsTheLastChannels) {
  Device device(test::reference_level());
  const Tensor rows = device.put(DType::kF32, {1, 8}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor pool = device.zeros(DType::kF32, {6});
  unpatchify(device.stream(), {.rows = rows,
                               .pool = pool,
                               .offset = 1,
                               .channels = 1,
                               .frames = 1,
                               .height = 2,
                               .width = 2,
                               .patch = 2});
  EXPECT_EQ(device.get<float>(pool), (std::vector<float>{0, 1, 3, 5, 7, 0}));
}

TEST(PatchesDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const Picture p = {4, 1, 8, 6, 2};
  const Tensor pool = device.zeros(DType::kF32, {elements(p) + kOffset});
  const Patchify good = patches_of(p, pool, device.zeros(DType::kF32, {12, 16}));
  patchify(device.stream(), good);
  const auto expect_death = [&](auto&& spoil, const char* words) {
    Patchify a = good;
    spoil(a);
    EXPECT_DEATH(patchify(device.stream(), a), words);
  };
  expect_death([](Patchify& a) { a.offset += 1; }, "offset");
  expect_death([](Patchify& a) { a.offset = -1; }, "offset");
  expect_death([](Patchify& a) { a.patch = 0; }, "patch");
  expect_death([](Patchify& a) { a.patch = 4; }, "patch");
  expect_death([](Patchify& a) { a.channels = 0; }, "channels");
  expect_death([](Patchify& a) { a.channels = 3; }, "rows");
  expect_death([](Patchify& a) { a.frames = 2; }, "offset");
  expect_death([](Patchify& a) { a.width = -2; }, "width");
  expect_death(
      [](Patchify& a) { a.channels = a.frames = a.height = a.width = 1 << 30, a.patch = 1; },
      "pixels");
  Unpatchify back{};
  back.rows = device.zeros(DType::kF32, {12, 16});
  back.pool = pool;
  back.offset = kOffset;
  back.channels = 5;
  back.frames = 1;
  back.height = 8;
  back.width = 6;
  back.patch = 2;
  EXPECT_DEATH(unpatchify(device.stream(), back), "channels|offset");
  back.channels = 3;
  back.rows = device.zeros(DType::kF32, {12, 15});
  EXPECT_DEATH(unpatchify(device.stream(), back), "columns");
  device.run();
}

CombineEntry random_entry(std::mt19937& random, int64_t out, int64_t count, int64_t inputs_end) {
  CombineEntry entry{};
  entry.out_offset = out;
  entry.count = count;
  entry.terms = static_cast<int32_t>(1 + random() % CombineEntry::kMaxTerms);
  for (int term = 0; term < entry.terms; ++term) {
    entry.in_offset[term] = static_cast<int64_t>(random() % (inputs_end - count + 1));
    entry.coefficient[term] = random_floats(random, 1)[0];
  }
  entry.clip = random() % 2 == 0 ? 0.0f : 0.7f;
  return entry;
}

struct Combination {
  std::vector<float> pool;
  std::vector<CombineEntry> entries;
};

// Inputs stand below `inputs`, outputs above, one after another; some are written over an input of
// their own.
Combination random_combination(unsigned seed) {
  constexpr int64_t kInputs = 30000;
  std::mt19937 random(seed);
  Combination c;
  int64_t end = kInputs;
  for (const int64_t count : {1, 7, 16, 1000, 0, 8192, 8193, 20000}) {
    c.entries.push_back(random_entry(random, end, count, kInputs));
    if (seed % 2 == 1) c.entries.back().in_offset[0] = end;
    end += count;
  }
  c.pool = random_floats(random, end);
  return c;
}

Tensor run_combine(Device& device, const Combination& c) {
  const Tensor pool = device.put(DType::kF32, {static_cast<int64_t>(c.pool.size())}, c.pool);
  combine(device.stream(), {.pool = pool,
                            .entries = device.put_structs(c.entries),
                            .entry_count = static_cast<int>(c.entries.size())});
  return pool;
}

TEST(Combine, SameBitsOnEveryLevel) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const Combination c = random_combination(seed);
    test::expect_same_bits(
        "combine", [&](Device& device) { return std::vector<Tensor>{run_combine(device, c)}; });
  }
}

TEST(Combine, AgreesWithDoublePrecisionAndWritesNothingElse) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const Combination c = random_combination(seed);
    Device device(test::reference_level());
    std::vector<float> found = device.get<float>(run_combine(device, c));
    for (const CombineEntry& entry : c.entries) {
      for (int64_t i = 0; i < entry.count; ++i) {
        double truth = 0, magnitude = 0;
        for (int term = 0; term < entry.terms; ++term) {
          const double part =
              static_cast<double>(entry.coefficient[term]) * c.pool[entry.in_offset[term] + i];
          truth += part;
          magnitude += std::abs(part);
        }
        if (entry.clip > 0) truth = std::clamp<double>(truth, -entry.clip, entry.clip);
        ASSERT_NEAR(found[entry.out_offset + i], truth, magnitude * 4e-7);
        found[entry.out_offset + i] = c.pool[entry.out_offset + i];
      }
    }
    EXPECT_EQ(found, c.pool);
  }
}

TEST(Combine, OneTermWithCoefficientOneCopies) {
  Device device(test::reference_level());
  CombineEntry entry{};
  entry.out_offset = 4;
  entry.count = 4;
  entry.coefficient[0] = 1;
  entry.terms = 1;
  const Combination c = {{1.5f, -0.25f, 3e30f, 1e-30f, 9, 9, 9, 9}, {entry}};
  EXPECT_EQ(device.get<float>(run_combine(device, c)),
            (std::vector<float>{1.5f, -0.25f, 3e30f, 1e-30f, 1.5f, -0.25f, 3e30f, 1e-30f}));
}

TEST(CombineDeathTest, RefusesEntriesThatLeaveThePool) {
  CombineEntry good{};
  good.count = 8;
  good.out_offset = 8;
  good.terms = 2;
  const auto expect_death = [&](auto&& spoil) {
    CombineEntry entry = good;
    spoil(entry);
    for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
      EXPECT_DEATH(
          {
            Device device(level);
            run_combine(device, {std::vector<float>(16), {entry}});
            device.run();
          },
          "CHECK|entry|from");
    }
  };
  expect_death([](CombineEntry& entry) { entry.out_offset = 9; });
  expect_death([](CombineEntry& entry) { entry.out_offset = -1; });
  expect_death([](CombineEntry& entry) { entry.count = -1; });
  expect_death([](CombineEntry& entry) { entry.count = int64_t{1} << 62; });
  expect_death([](CombineEntry& entry) { entry.terms = 0; });
  expect_death([](CombineEntry& entry) { entry.terms = 7; });
  expect_death([](CombineEntry& entry) { entry.in_offset[1] = 9; });
  expect_death([](CombineEntry& entry) { entry.in_offset[0] = -1; });
}

}  // namespace
}  // namespace tessera
