// Every level and thread count gives the bits of the scalar reference: random page tables, ragged
// segments, prompts, decoding, trees, windows, head shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/core/float_mode.h"
#include "kernels/cpu/attention_plan.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/install.h"
#include "support/random_values.h"

namespace tessera {
namespace {

struct HeadShape {
  int H, Hkv, Dh;
  DType dtype = DType::kBf16;
};

// A step made row by row; every sequence has pages of its own, in random order.
class Step {
 public:
  Step(const HeadShape& shape, const AttentionSpec& spec, uint64_t seed)
      : shape_(shape), spec_(spec), random_(seed) {}

  // `rows` consecutive rows of a sequence whose last is at position `context` - 1.
  void add_rows(int context, int rows) {
    AttentionSegment segment = begin_segment(rows, context);
    segment.committed = -1;
    for (int row = 0; row < rows; ++row) positions_.push_back(context - rows + row);
    free_unseen_pages(segment, context - rows, context);
    segments_.push_back(segment);
  }

  // `rows` rows that all see all of `context` keys.
  void add_bidirectional(int context, int rows) {
    AttentionSegment segment = begin_segment(rows, context);
    segment.committed = -1;
    positions_.insert(positions_.end(), static_cast<size_t>(rows), context - 1);
    segments_.push_back(segment);
  }

  // A bias for every distance that the segments so far have, and none more.
  void add_relative_bias() {
    int64_t P = *std::max_element(positions_.begin(), positions_.end()) + 1;
    for (const AttentionSegment& segment : segments_) P = std::max<int64_t>(P, segment.row_count);
    bias_ = random_.elements(shape_.H * (2 * P - 1), DType::kF32);
    args_.relative_bias = make_tensor(bias_.data(), DType::kF32, {shape_.H, 2 * P - 1});
  }

  // A random tree of `rows` rows after `committed` tokens. Node n stands in the slot of position
  // committed + n; row r sees its ancestors and itself.
  void add_tree(int committed, int rows) {
    AttentionSegment segment = begin_segment(rows, committed + rows);
    segment.committed = committed;
    segment.tail_begin = static_cast<int32_t>(tails_.size());
    std::vector<std::vector<int32_t>> paths;
    size_t longest = 0;
    for (int row = 0; row < rows; ++row) {
      std::vector<int32_t> path;
      if (row > 0) path = paths[static_cast<size_t>(random_.integer(0, row - 1))];
      path.push_back(slot_of(segment, committed + row));
      longest = std::max(longest, path.size());
      positions_.push_back(committed + static_cast<int32_t>(path.size()) - 1);
      paths.push_back(path);
    }
    segment.tail_stride = static_cast<int32_t>(longest);
    for (std::vector<int32_t>& path : paths) {
      path.resize(longest, -1);
      tails_.insert(tails_.end(), path.begin(), path.end());
    }
    segments_.push_back(segment);
  }

  // Fills the pages and remembers the reference's answer. `garbage` is what no row may see.
  void finish() {
    const int64_t rows = row_count_, blocks = page_count_ + 1;
    const int64_t page_elements = int64_t{shape_.Hkv} * kKvBlockTokens * shape_.Dh;
    k_ = random_.elements(blocks * page_elements, shape_.dtype);
    v_ = random_.elements(blocks * page_elements, shape_.dtype);
    q_ = random_.elements(rows * shape_.H * shape_.Dh, shape_.dtype);
    shuffle_pages();
    args_.q = make_tensor(q_.data(), shape_.dtype, {rows, shape_.H, shape_.Dh});
    if (shape_.dtype == DType::kBf16) {
      args_.k_pages = make_tensor(k_.data(), shape_.dtype,
                                  {blocks, shape_.Hkv, shape_.Dh / 2, kKvBlockTokens, 2});
      args_.v_pages = make_tensor(v_.data(), shape_.dtype,
                                  {blocks, shape_.Hkv, kKvBlockTokens / 2, shape_.Dh, 2});
    } else {
      args_.k_pages =
          make_tensor(k_.data(), shape_.dtype, {blocks, shape_.Hkv, shape_.Dh, kKvBlockTokens});
      args_.v_pages =
          make_tensor(v_.data(), shape_.dtype, {blocks, shape_.Hkv, kKvBlockTokens, shape_.Dh});
    }
    args_.segments =
        make_tensor(segments_.data(), DType::kU8,
                    {static_cast<int64_t>(segments_.size()), int64_t{sizeof(AttentionSegment)}});
    args_.positions = make_tensor(positions_.data(), DType::kI32, {rows});
    args_.pages = make_tensor(pages_.data(), DType::kI32, {static_cast<int64_t>(pages_.size())});
    if (!tails_.empty()) {
      args_.tails = make_tensor(tails_.data(), DType::kI32, {static_cast<int64_t>(tails_.size())});
    }
    args_.segment_count = static_cast<int>(segments_.size());
    args_.spec = spec_;
    args_.scale = 0.125f;
  }

  // The bytes of output and LSE.
  std::vector<std::byte> run(const OpTable& ops, Execution& execution, bool lse) {
    const int64_t elements = args_.q.elements();
    const size_t out_bytes = static_cast<size_t>(elements) * size_of(shape_.dtype);
    const size_t lse_bytes = lse ? static_cast<size_t>(row_count_ * shape_.H) * 4 : 0;
    std::vector<std::byte> result(out_bytes + lse_bytes, std::byte{0x5a});
    args_.out = make_tensor(result.data(), shape_.dtype, {row_count_, shape_.H, shape_.Dh});
    args_.lse = Tensor{};
    if (lse)
      args_.lse = make_tensor(result.data() + out_bytes, DType::kF32, {row_count_, shape_.H});
    EXPECT_EQ(ops.attention(execution, args_), Progress::kDone);
    return result;
  }

  // Makes V of every slot that no position was given to an infinity.
  void poison_unused_values() {
    const int64_t Dh = shape_.Dh;
    for (const Spare& spare : spares_) {
      const int64_t page = pages_[spare.page_index];
      for (int64_t head = 0; head < shape_.Hkv; ++head) {
        for (int64_t token = spare.first; token < kKvBlockTokens; ++token) {
          for (int64_t d = 0; d < Dh; ++d) {
            const int64_t base = (page * shape_.Hkv + head) * kKvBlockTokens * Dh;
            if (shape_.dtype == DType::kBf16) {
              const uint16_t infinity = 0x7f80;
              std::memcpy(v_.data() + 2 * (base + (token / 2 * Dh + d) * 2 + token % 2), &infinity,
                          2);
            } else {
              const float infinity = std::numeric_limits<float>::infinity();
              std::memcpy(v_.data() + 4 * (base + token * Dh + d), &infinity, 4);
            }
          }
        }
      }
    }
  }

  const Attention& args() const { return args_; }

 private:
  struct Spare {
    size_t page_index;
    int64_t first;
  };

  AttentionSegment begin_segment(int rows, int tokens) {
    AttentionSegment segment{};
    segment.row_begin = static_cast<int32_t>(row_count_);
    segment.row_count = rows;
    segment.page_begin = static_cast<int32_t>(pages_.size());
    row_count_ += rows;
    for (int token = 0; token < tokens; token += kKvBlockTokens) {
      pages_.push_back(static_cast<int32_t>(page_count_++));
    }
    if (tokens % kKvBlockTokens != 0) {
      spares_.push_back({pages_.size() - 1, tokens % kKvBlockTokens});
    }
    return segment;
  }

  // A page that no row of the segment sees may have been freed.
  void free_unseen_pages(const AttentionSegment& segment, int first, int end) {
    for (int page = 0; page * kKvBlockTokens < end; ++page) {
      bool any = false;
      for (int i = first; i < end; ++i) {
        const int64_t begin = page * kKvBlockTokens / kAttentionTile * kAttentionTile;
        const uint64_t keys = visible_keys(spec_, i, begin) >> (page * kKvBlockTokens - begin);
        any |= (keys & 0xffff) != 0;
      }
      if (!any) pages_[static_cast<size_t>(segment.page_begin + page)] = -1;
    }
  }

  int32_t slot_of(const AttentionSegment& segment, int position) {
    const size_t index = static_cast<size_t>(segment.page_begin + position / kKvBlockTokens);
    return pages_[index] * kKvBlockTokens + position % kKvBlockTokens;
  }

  void shuffle_pages() {
    std::vector<int32_t> order(static_cast<size_t>(page_count_ + 1));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size() - 1; i > 0; --i) {
      std::swap(order[i], order[static_cast<size_t>(random_.integer(0, static_cast<int>(i)))]);
    }
    for (int32_t& page : pages_) {
      if (page >= 0) page = order[static_cast<size_t>(page)];
    }
    for (int32_t& slot : tails_) {
      if (slot < 0) continue;
      slot = order[static_cast<size_t>(slot / kKvBlockTokens)] * kKvBlockTokens +
             slot % kKvBlockTokens;
    }
  }

  HeadShape shape_;
  AttentionSpec spec_;
  RandomValues random_;
  std::vector<AttentionSegment> segments_;
  std::vector<int32_t> positions_, pages_, tails_;
  std::vector<Spare> spares_;
  int64_t row_count_ = 0, page_count_ = 0;
  std::vector<std::byte> q_, k_, v_, bias_;
  Attention args_{};
};

std::vector<IsaLevel> fast_levels() {
  std::vector<IsaLevel> levels;
  for (const IsaLevel level : kIsaLevels) {
    if (level > IsaLevel::kScalar && level <= detect_isa()) levels.push_back(level);
  }
  return levels;
}

void expect_same_bits(Step& step, int threads, bool lse, const std::string& what) {
  const FlushSubnormals flush;
  ComputePool alone(1), pool(threads);
  Execution scalar(alone, IsaLevel::kScalar);
  const auto wanted = step.run(reference_ops(), scalar, lse);
  for (const IsaLevel level : fast_levels()) {
    Execution execution(pool, level);
    EXPECT_TRUE(step.run(cpu_ops(level), execution, lse) == wanted)
        << what << ", " << name_of(level) << ", threads " << threads;
  }
}

TEST(AttentionFast, DecodingAtEveryContext) {
  for (int context = 1; context <= 200; ++context) {
    Step step({.H = 7, .Hkv = 1, .Dh = 32}, {}, 1);
    step.add_rows(context, 1);
    step.finish();
    expect_same_bits(step, 1, true, "context " + std::to_string(context));
  }
}

TEST(AttentionFast, HeadShapes) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    for (const HeadShape& shape : std::vector<HeadShape>{{1, 1, 16},
                                                         {4, 4, 24},
                                                         {6, 2, 48},
                                                         {14, 2, 64},
                                                         {2, 1, 2},
                                                         {3, 3, 10},
                                                         {16, 16, 72},
                                                         {5, 1, 80},
                                                         {6, 3, 40},
                                                         {8, 1, 128},
                                                         {1, 1, 512},
                                                         {70, 1, 16}}) {
      Step step({shape.H, shape.Hkv, shape.Dh, dtype}, {}, 2);
      step.add_rows(75, 1);
      step.add_rows(33, 33);
      step.add_rows(130, 17);
      step.finish();
      expect_same_bits(step, 3, true, "Dh " + std::to_string(shape.Dh));
    }
  }
  Step odd({.H = 2, .Hkv = 1, .Dh = 9, .dtype = DType::kF32}, {}, 2);
  odd.add_rows(75, 1);
  odd.add_rows(33, 33);
  odd.finish();
  expect_same_bits(odd, 3, true, "Dh 9");
}

// Pictures: all rows see all keys, of their own segment or of a text.
TEST(AttentionFast, Bidirectional) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    for (const int Dh : {64, 72}) {
      for (const int threads : {1, 3}) {
        Step step({.H = 3, .Hkv = 3, .Dh = Dh, .dtype = dtype}, {}, 8);
        step.add_bidirectional(64, 64);
        step.add_bidirectional(77, 130);
        step.add_bidirectional(1, 5);
        step.add_bidirectional(520, 3);
        step.finish();
        step.poison_unused_values();
        expect_same_bits(step, threads, true, "bidirectional");
      }
    }
  }
}

TEST(AttentionFast, RelativeBias) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    for (const HeadShape& shape : std::vector<HeadShape>{{4, 4, 64}, {4, 2, 24}}) {
      for (const int threads : {1, 3}) {
        Step step({shape.H, shape.Hkv, shape.Dh, dtype}, {}, 9);
        step.add_bidirectional(20, 20);
        step.add_bidirectional(128, 128);
        step.add_rows(90, 90);
        step.add_bidirectional(600, 70);
        step.add_relative_bias();
        step.finish();
        expect_same_bits(step, threads, true, "relative bias");
      }
    }
  }
}

TEST(AttentionFast, LongContextsAreSharedOutInSpans) {
  for (const int threads : {1, 2, 4}) {
    Step step({.H = 4, .Hkv = 2, .Dh = 32}, {}, 3);
    step.add_rows(2111, 1);
    step.add_rows(700, 3);
    step.finish();
    expect_same_bits(step, threads, true, "long");
  }
}

AttentionSpec random_spec(RandomValues& random) {
  AttentionSpec spec;
  if (random.chance(0.3)) return spec;
  spec.window = static_cast<int>(random.integer(1, 300));
  if (random.chance(0.5)) spec.sink = static_cast<int>(random.integer(0, 90));
  if (random.chance(0.4)) {
    spec.block_stride = static_cast<int>(random.integer(1, 5));
    spec.block_tokens = static_cast<int>(random.integer(1, 70));
  }
  return spec;
}

TEST(AttentionFast, RandomSteps) {
  RandomValues random(4);
  for (int round = 0; round < 60; ++round) {
    const HeadShape shapes[] = {{4, 2, 16}, {7, 1, 32}, {2, 2, 48}, {8, 2, 64}};
    HeadShape shape = shapes[random.integer(0, 3)];
    if (random.chance(0.3)) shape.dtype = DType::kF32;
    Step step(shape, random_spec(random), 1000 + static_cast<uint64_t>(round));
    const int64_t segments = random.integer(1, 4);
    for (int64_t s = 0; s < segments; ++s) {
      const int context = static_cast<int>(random.integer(1, 700));
      if (random.chance(0.35)) {
        step.add_tree(context, static_cast<int>(random.integer(1, 40)));
      } else if (random.chance(0.5)) {
        step.add_rows(context, 1);
      } else {
        step.add_rows(context, static_cast<int>(random.integer(1, std::min(context, 60))));
      }
    }
    step.finish();
    expect_same_bits(step, static_cast<int>(random.integer(1, 4)), random.chance(0.5),
                     "round " + std::to_string(round));
  }
}

TEST(AttentionFast, WhatNoRowSeesMayBeAnything) {
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    Step step({.H = 4, .Hkv = 2, .Dh = 32, .dtype = dtype}, {}, 5);
    step.add_rows(35, 1);
    step.add_rows(77, 20);
    step.add_tree(50, 9);
    step.finish();
    step.poison_unused_values();
    expect_same_bits(step, 2, true, "poisoned");
  }
}

TEST(AttentionFast, ARowHasItsBitsInAnyChunking) {
  const FlushSubnormals flush;
  ComputePool pool(2);
  const HeadShape shape = {.H = 14, .Hkv = 2, .Dh = 64};
  Step whole(shape, {}, 6);
  whole.add_rows(97, 97);
  whole.finish();
  for (const IsaLevel level : fast_levels()) {
    Execution execution(pool, level);
    const auto wanted = whole.run(cpu_ops(level), execution, false);
    for (const int chunk : {1, 5, 64}) {
      Attention args = whole.args();
      std::vector<AttentionSegment> segments;
      for (int row = 0; row < 97; row += chunk) {
        AttentionSegment part = args.segments.as<AttentionSegment>()[0];
        part.row_begin = row;
        part.row_count = std::min(chunk, 97 - row);
        segments.push_back(part);
      }
      std::vector<std::byte> out(wanted.size());
      args.out.data = out.data();
      args.segments =
          make_tensor(segments.data(), DType::kU8,
                      {static_cast<int64_t>(segments.size()), int64_t{sizeof(AttentionSegment)}});
      args.segment_count = static_cast<int>(segments.size());
      cpu_ops(level).attention(execution, args);
      EXPECT_TRUE(out == wanted) << name_of(level) << ", chunk " << chunk;
    }
  }
}

TEST(AttentionPlan, MasksAgreeWithTheDefinition) {
  RandomValues random(7);
  for (int round = 0; round < 3000; ++round) {
    const AttentionSpec spec = random_spec(random);
    const int64_t i = random.integer(0, 900);
    const int64_t begin = random.integer(0, 15) * kAttentionTile;
    const uint64_t mask = visible_keys(spec, i, begin);
    for (int64_t j = begin; j < begin + kAttentionTile; ++j) {
      const bool visible =
          j <= i && (spec.window == 0 || i - j < spec.window || j < spec.sink ||
                     (spec.block_stride > 0 && j / spec.block_tokens % spec.block_stride == 0));
      ASSERT_EQ((mask >> (j - begin) & 1) != 0, visible) << "i " << i << " j " << j;
    }
  }
}

}  // namespace
}  // namespace tessera
