#include "kernels/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "kernels/cpu/reference/elements.h"
#include "support/kv_pages.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;

// Sequences of given lengths, of which the last `rows` positions are queried.
struct Sequence {
  int32_t length;
  int32_t rows;
};

struct World {
  int64_t H, Hkv, Dh;
  DType dtype;
  AttentionSpec spec;
  float scale;
  std::vector<Sequence> sequences;
  // Of sequence s, position j: q [H * Dh], k and v [Hkv * Dh].
  std::vector<std::vector<std::vector<float>>> q, k, v;
};

World make_world(const std::vector<int64_t>& heads, DType dtype, AttentionSpec spec,
                 std::vector<Sequence> sequences, unsigned seed) {
  World w{heads[0],
          heads[1],
          heads[2],
          dtype,
          spec,
          0.7f / std::sqrt(static_cast<float>(heads[2])),
          std::move(sequences),
          {},
          {},
          {}};
  std::mt19937 random(seed);
  for (const Sequence& sequence : w.sequences) {
    w.q.emplace_back();
    w.k.emplace_back();
    w.v.emplace_back();
    for (int32_t j = 0; j < sequence.length; ++j) {
      w.q.back().push_back(test::random_floats(random, w.H * w.Dh, 2.0f));
      w.k.back().push_back(test::random_floats(random, w.Hkv * w.Dh, 2.0f));
      w.v.back().push_back(test::random_floats(random, w.Hkv * w.Dh));
    }
  }
  return w;
}

bool sees(const AttentionSpec& spec, int64_t i, int64_t j) {
  return j <= i && (spec.window == 0 || i - j < spec.window || j < spec.sink ||
                    (spec.block_stride > 0 && (j / spec.block_tokens) % spec.block_stride == 0));
}

// The world on a device: every page that holds no visible key, and every slot beyond a sequence's
// end, is NaN; pages stand in random order; pages that no row sees are freed (-1).
struct Placed {
  test::Pages pages;
  std::vector<int32_t> page_ids;            // of all sequences
  std::vector<int32_t> page_begin;          // per sequence
  std::vector<std::vector<int32_t>> slots;  // per sequence and position; -1 freed
  int64_t blocks;
};

Placed place(Device& device, const World& w, unsigned seed, bool free_unseen) {
  Placed placed;
  int64_t total = 1;
  for (const Sequence& sequence : w.sequences) total += (sequence.length + 15) / 16 + 1;
  placed.blocks = total;
  std::vector<int32_t> order(static_cast<size_t>(total));
  for (size_t page = 0; page < order.size(); ++page) order[page] = static_cast<int32_t>(page);
  std::mt19937 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  const float nan = std::nanf("");
  std::vector<float> k(static_cast<size_t>(total * w.Hkv * 16 * w.Dh), nan), v = k;
  size_t next = 0;
  for (size_t s = 0; s < w.sequences.size(); ++s) {
    const Sequence& sequence = w.sequences[s];
    placed.page_begin.push_back(static_cast<int32_t>(placed.page_ids.size()));
    placed.slots.emplace_back();
    for (int32_t first = 0; first < sequence.length; first += 16) {
      bool seen = !free_unseen;
      for (int32_t i = sequence.length - sequence.rows; i < sequence.length; ++i) {
        for (int32_t j = first; j < first + 16; ++j) seen |= sees(w.spec, i, j);
      }
      placed.page_ids.push_back(seen ? order[next++] : -1);
      for (int32_t j = first; j < std::min(first + 16, sequence.length); ++j) {
        const int32_t slot = seen ? placed.page_ids.back() * 16 + j % 16 : -1;
        placed.slots.back().push_back(slot);
        for (int64_t h = 0; seen && h < w.Hkv; ++h) {
          for (int64_t d = 0; d < w.Dh; ++d) {
            k[test::k_at(w.dtype, w.Hkv, w.Dh, slot, h, d)] = w.k[s][j][h * w.Dh + d];
            v[test::v_at(w.dtype, w.Hkv, w.Dh, slot, h, d)] = w.v[s][j][h * w.Dh + d];
          }
        }
      }
    }
  }
  placed.pages.k = w.dtype == DType::kBf16
                       ? device.put_rounded(w.dtype, {total, w.Hkv, w.Dh / 2, 16, 2}, k)
                       : device.put_rounded(w.dtype, {total, w.Hkv, w.Dh, 16}, k);
  placed.pages.v = w.dtype == DType::kBf16
                       ? device.put_rounded(w.dtype, {total, w.Hkv, 8, w.Dh, 2}, v)
                       : device.put_rounded(w.dtype, {total, w.Hkv, 16, w.Dh}, v);
  return placed;
}

// The queried rows of all sequences in one batch, each sequence cut into segments of `chunk` rows.
struct Outputs {
  Tensor out, lse;
};

Outputs run_attention(Device& device, const World& w, const Placed& placed, int32_t chunk) {
  std::vector<AttentionSegment> segments;
  std::vector<int32_t> positions;
  std::vector<float> q;
  for (size_t s = 0; s < w.sequences.size(); ++s) {
    const Sequence& sequence = w.sequences[s];
    for (int32_t row = 0; row < sequence.rows; ++row) {
      const int32_t position = sequence.length - sequence.rows + row;
      if (row % chunk == 0) {
        segments.push_back({static_cast<int32_t>(positions.size()),
                            std::min(chunk, sequence.rows - row), placed.page_begin[s], -1, 0, 0});
      }
      positions.push_back(position);
      q.insert(q.end(), w.q[s][position].begin(), w.q[s][position].end());
    }
  }
  const int64_t T = static_cast<int64_t>(positions.size());
  Attention a;
  a.q = device.put_rounded(w.dtype, {T, w.H, w.Dh}, q);
  a.k_pages = placed.pages.k;
  a.v_pages = placed.pages.v;
  a.segments = device.put_structs(segments);
  a.segment_count = static_cast<int>(segments.size());
  a.positions = device.put_ints(positions);
  a.pages = device.put_ints(placed.page_ids);
  a.spec = w.spec;
  a.scale = w.scale;
  a.out = device.zeros(w.dtype, {T, w.H, w.Dh});
  a.lse = device.zeros(DType::kF32, {T, w.H});
  attention(device.stream(), a);
  return {a.out, a.lse};
}

std::vector<World> worlds() {
  std::vector<World> all;
  const std::vector<Sequence> mixed = {{1, 1}, {16, 16}, {65, 1}, {40, 7}, {130, 5}, {200, 1}};
  unsigned seed = 1;
  for (const std::vector<int64_t>& heads : test::read_shapes("heads", 3)) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      all.push_back(make_world(heads, dtype, {}, mixed, seed++));
    }
  }
  const std::vector<int64_t> heads = {4, 2, 32};
  const std::vector<Sequence> spans = {{511, 1}, {513, 2}, {1100, 3}};
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    all.push_back(make_world(heads, dtype, {}, spans, seed++));
    all.push_back(make_world(heads, dtype, {100, 0, 0, 0}, spans, seed++));
  }
  for (const AttentionSpec& spec :
       {AttentionSpec{20, 0, 0, 0}, AttentionSpec{1, 0, 0, 0}, AttentionSpec{33, 4, 0, 0},
        AttentionSpec{24, 3, 4, 16}, AttentionSpec{10, 0, 3, 32}, AttentionSpec{64, 70, 0, 0}}) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      all.push_back(make_world(heads, dtype, spec, mixed, seed++));
    }
  }
  return all;
}

TEST(Attention, SameBitsOnEveryLevel) {
  for (const World& w : worlds()) {
    for (const int32_t chunk : {100, 3}) {
      test::expect_same_bits("attention", [&](Device& device) {
        const Outputs outputs = run_attention(device, w, place(device, w, 1, true), chunk);
        return std::vector<Tensor>{outputs.out, outputs.lse};
      });
    }
  }
}

TEST(Attention, AgreesWithDoublePrecision) {
  for (const World& w : worlds()) {
    Device device(test::reference_level());
    const Outputs outputs = run_attention(device, w, place(device, w, 1, true), 100);
    const std::vector<float> out = device.get_floats(outputs.out);
    const std::vector<float> lse = device.get<float>(outputs.lse);
    const double unit = w.dtype == DType::kBf16 ? 0x1p-8 : 0x1p-21;
    const int64_t group = w.H / w.Hkv;
    int64_t t = 0;
    for (size_t s = 0; s < w.sequences.size(); ++s) {
      const Sequence& sequence = w.sequences[s];
      for (int32_t i = sequence.length - sequence.rows; i < sequence.length; ++i, ++t) {
        for (int64_t h = 0; h < w.H; ++h) {
          std::map<int32_t, double> scores;
          double maximum = -1e300, sum = 0;
          for (int32_t j = 0; j <= i; ++j) {
            if (!sees(w.spec, i, j)) continue;
            double dot = 0;
            for (int64_t d = 0; d < w.Dh; ++d) {
              dot += static_cast<double>(rounded(w.q[s][i][h * w.Dh + d], w.dtype)) *
                     rounded(w.k[s][j][h / group * w.Dh + d], w.dtype);
            }
            scores[j] = dot * static_cast<double>(w.scale);
            maximum = std::max(maximum, scores[j]);
          }
          for (auto& [j, score] : scores) sum += std::exp(score - maximum);
          ASSERT_NEAR(lse[t * w.H + h], maximum + std::log(sum), 1e-4 + unit);
          for (int64_t d = 0; d < w.Dh; ++d) {
            double truth = 0, magnitude = 0;
            for (const auto& [j, score] : scores) {
              const double term = std::exp(score - maximum) / sum *
                                  rounded(w.v[s][j][h / group * w.Dh + d], w.dtype);
              truth += term;
              magnitude += std::abs(term);
            }
            // p is rounded once in each of sum and product, the output once.
            ASSERT_NEAR(out[(t * w.H + h) * w.Dh + d], truth, magnitude * unit * 2.1 + 1e-5)
                << "sequence " << s << " position " << i;
          }
        }
      }
    }
  }
}

TEST(Attention, BatchChunksAndPagesDoNotChangeABit) {
  const World w = make_world({4, 2, 32}, DType::kBf16, {}, {{130, 40}, {77, 77}, {65, 2}}, 5);
  for (const test::Level& level : test::cpu_levels()) {
    Device device(level);
    const std::vector<uint8_t> together =
        device.get<uint8_t>(run_attention(device, w, place(device, w, 1, false), 1000).out);
    size_t begin = 0;
    for (size_t s = 0; s < w.sequences.size(); ++s) {
      World alone = w;
      alone.sequences = {w.sequences[s]};
      alone.q = {w.q[s]};
      alone.k = {w.k[s]};
      alone.v = {w.v[s]};
      for (const int32_t chunk : {1, 5, 64}) {
        const Placed placed = place(device, alone, static_cast<unsigned>(chunk), false);
        const std::vector<uint8_t> found =
            device.get<uint8_t>(run_attention(device, alone, placed, chunk).out);
        const auto same = together.begin() + static_cast<int64_t>(begin);
        ASSERT_TRUE(std::equal(found.begin(), found.end(), same)) << level.name;
        if (chunk == 64) begin += found.size();
      }
    }
  }
}

// A tree of drafts after a committed prefix: each row must see exactly its ancestors, with the bits
// of plain decoding on the sequence that the path spells.
TEST(Attention, TreeRowsEqualPlainDecodingOfTheirPath) {
  const std::vector<int> parents = {-1, 0, 0, 1, 2, 2, 4};
  const int nodes = static_cast<int>(parents.size());
  for (const AttentionSpec& spec : {AttentionSpec{}, AttentionSpec{20, 2, 0, 0}}) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const int32_t committed : {0, 15, 61, 64, 90}) {
        // The world's positions from `committed` on stand for the nodes, in their order.
        const World tree = make_world({4, 2, 32}, dtype, spec, {{committed + nodes, nodes}}, 11);
        for (const test::Level& level : test::cpu_levels()) {
          Device device(level);
          const Placed placed = place(device, tree, 3, false);
          std::vector<int32_t> positions, tails;
          std::vector<std::vector<int>> paths;
          std::vector<float> q;
          constexpr int32_t kStride = 5;
          for (int node = 0; node < nodes; ++node) {
            std::vector<int> path;
            for (int at = node; at >= 0; at = parents[at]) path.insert(path.begin(), at);
            positions.push_back(committed + static_cast<int32_t>(path.size()) - 1);
            for (int32_t depth = 0; depth < kStride; ++depth) {
              tails.push_back(depth < static_cast<int32_t>(path.size())
                                  ? placed.slots[0][committed + path[depth]]
                                  : -1);
            }
            const std::vector<float>& row = tree.q[0][committed + node];
            q.insert(q.end(), row.begin(), row.end());
            paths.push_back(path);
          }
          Attention a;
          a.q = device.put_rounded(dtype, {nodes, 4, 32}, q);
          a.k_pages = placed.pages.k;
          a.v_pages = placed.pages.v;
          a.segments = device.put_structs(std::vector<AttentionSegment>{
              {0, nodes, placed.page_begin[0], committed, 2, kStride}});
          a.segment_count = 1;
          a.positions = device.put_ints(positions);
          a.pages = device.put_ints(placed.page_ids);
          tails.insert(tails.begin(), {-1, -1});
          a.tails = device.put_ints(tails);
          a.spec = spec;
          a.scale = tree.scale;
          a.out = device.zeros(dtype, {nodes, 4, 32});
          attention(device.stream(), a);
          const std::vector<float> found = device.get_floats(a.out);
          for (int node = 0; node < nodes; ++node) {
            World plain = tree;
            const int32_t length = positions[node] + 1;
            plain.sequences = {{length, 1}};
            for (size_t depth = 0; depth < paths[node].size(); ++depth) {
              const size_t to = committed + depth, from = committed + paths[node][depth];
              plain.q[0][to] = tree.q[0][from];
              plain.k[0][to] = tree.k[0][from];
              plain.v[0][to] = tree.v[0][from];
            }
            const Placed alone = place(device, plain, 9, false);
            const std::vector<float> truth =
                device.get_floats(run_attention(device, plain, alone, 1).out);
            for (int64_t at = 0; at < 128; ++at) {
              ASSERT_EQ(found[node * 128 + at], truth[at])
                  << level.name << " committed " << committed << " node " << node;
            }
          }
        }
      }
    }
  }
}

// T5's encoder: every row sees every key, with a bias by their distance; also the mask of the
// diffusion policy, whose row t sees the keys up to t + 1.
TEST(Attention, PositionsAndBiasesMakeEncoders) {
  const int32_t T = 70, P = 81;
  const int64_t H = 2, Dh = 16;
  const World w = make_world({H, H, Dh}, DType::kF32, {}, {{T, T}}, 21);
  std::mt19937 random(22);
  const std::vector<float> bias = test::random_floats(random, H * (2 * P - 1), 2.0f);
  Device device(test::reference_level());
  const Placed placed = place(device, w, 1, false);
  for (const bool biased : {false, true}) {
    for (const bool shifted : {false, true}) {
      std::vector<int32_t> positions;
      std::vector<float> q;
      for (int32_t row = 0; row < T; ++row) {
        positions.push_back(shifted ? std::min(row + 1, T - 1) : T - 1);
        q.insert(q.end(), w.q[0][row].begin(), w.q[0][row].end());
      }
      Attention a{};
      a.q = device.put(DType::kF32, {T, H, Dh}, q);
      a.k_pages = placed.pages.k;
      a.v_pages = placed.pages.v;
      a.segments = device.put_structs(std::vector<AttentionSegment>{{0, T, 0, -1, 0, 0}});
      a.segment_count = 1;
      a.positions = device.put_ints(positions);
      a.pages = device.put_ints(placed.page_ids);
      a.scale = w.scale;
      a.out = device.zeros(DType::kF32, {T, H, Dh});
      if (biased) a.relative_bias = device.put(DType::kF32, {H, 2 * P - 1}, bias);
      attention(device.stream(), a);
      const std::vector<float> out = device.get<float>(a.out);
      for (int32_t i = 0; i < T; ++i) {
        for (int64_t h = 0; h < H; ++h) {
          std::vector<double> weights;
          double sum = 0;
          for (int32_t j = 0; j <= positions[i]; ++j) {
            double score = 0;
            for (int64_t d = 0; d < Dh; ++d) {
              score += static_cast<double>(w.q[0][i][h * Dh + d]) * w.k[0][j][h * Dh + d];
            }
            score *= static_cast<double>(w.scale);
            if (biased) score += bias[h * (2 * P - 1) + j - i + P - 1];
            weights.push_back(std::exp(score));
            sum += weights.back();
          }
          for (int64_t d = 0; d < Dh; ++d) {
            double truth = 0;
            for (size_t j = 0; j < weights.size(); ++j) {
              truth += weights[j] / sum * w.v[0][j][h * Dh + d];
            }
            ASSERT_NEAR(out[(i * H + h) * Dh + d], truth, 1e-5) << "row " << i;
          }
        }
      }
    }
  }
}

TEST(AttentionDeathTest, RefusesABiasThatIsTooShort) {
  for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
    for (const int32_t P : {4, 5}) {
      const auto run = [&] {
        const World w = make_world({1, 1, 16}, DType::kF32, {}, {{5, 5}}, 1);
        Device device(level);
        const Placed placed = place(device, w, 1, false);
        Attention a{};
        a.q = a.out = device.zeros(DType::kF32, {5, 1, 16});
        a.k_pages = placed.pages.k;
        a.v_pages = placed.pages.v;
        a.segments = device.put_structs(std::vector<AttentionSegment>{{0, 5, 0, -1, 0, 0}});
        a.segment_count = 1;
        a.positions = device.put_ints({4, 4, 4, 4, 4});
        a.pages = device.put_ints(placed.page_ids);
        a.relative_bias = device.zeros(DType::kF32, {1, 2 * P - 1});
        attention(device.stream(), a);
        device.run();
      };
      if (P == 4) {
        EXPECT_DEATH(run(), "P");
      } else {
        run();
      }
    }
  }
  Device device(test::reference_level());
  const test::Pages pages = test::make_pages(device, DType::kF32, 1, 1, 16, 0.0f);
  Attention a{};
  a.q = a.out = device.zeros(DType::kF32, {1, 1, 16});
  a.k_pages = pages.k;
  a.v_pages = pages.v;
  a.segments = device.put_structs(std::vector<AttentionSegment>{{0, 1, 0, -1, 0, 0}});
  a.positions = device.put_ints({0});
  a.relative_bias = device.zeros(DType::kF32, {1, 4});
  EXPECT_DEATH(attention(device.stream(), a), "offsets % 2");
  a.relative_bias = device.zeros(DType::kF32, {2, 3});
  EXPECT_DEATH(attention(device.stream(), a), "relative_bias");
}

TEST(Attention, RowsOfNoSegmentStayUntouched) {
  const World w = make_world({2, 1, 16}, DType::kF32, {}, {{5, 5}}, 1);
  test::expect_same_bits("rows of no segment", [&](Device& device) {
    const Placed placed = place(device, w, 1, false);
    Attention a;
    a.q = device.put(DType::kF32, {5, 2, 16}, std::vector<float>(160, 1.0f));
    a.k_pages = placed.pages.k;
    a.v_pages = placed.pages.v;
    a.segments = device.put_structs(std::vector<AttentionSegment>{{1, 2, 0, -1, 0, 0}});
    a.segment_count = 1;
    a.positions = device.put_ints({0, 1, 2, 3, 4});
    a.pages = device.put_ints(placed.page_ids);
    a.scale = 1;
    a.out = device.put(DType::kF32, {5, 2, 16}, std::vector<float>(160, 42.0f));
    attention(device.stream(), a);
    const std::vector<float> out = device.get<float>(a.out);
    for (int64_t at = 0; at < 160; ++at) {
      EXPECT_EQ(out[at] == 42.0f, at < 32 || at >= 96) << at;
    }
    return std::vector<Tensor>{a.out};
  });
}

}  // namespace
}  // namespace tessera
