#include "kernels/dry/dry.h"

#include <gtest/gtest.h>

#include <map>

#include "kernels/core/lane.h"
#include "kernels/core/meeting.h"
#include "kernels/core/memory.h"

namespace tessera {
namespace {

std::map<std::string, DryTotal> by_name(const DryLog& log) {
  std::map<std::string, DryTotal> totals;
  for (const DryTotal& total : log.totals()) totals[total.op] = total;
  return totals;
}

TEST(Dry, HasEveryOp) { EXPECT_THAT(missing_ops(dry_ops()), testing::IsEmpty()); }

// A layer of a model too large for this machine: everything but its numbers is there.
TEST(Dry, CountsALayerWithoutMemory) {
  DryLog log;
  Lane lane(dry_execution(log));
  Stream stream(dry_ops(), 1 << 16);
  lane.attach(stream);
  Region weights = Region::dry("weights"), scratch = Region::dry("scratch");
  const int64_t T = 7, D = 16384, H = 128, Hkv = 8, Dh = 128, blocks = 100000;
  const PackedWeight wqkv = allocate_packed(weights, DType::kBf16, (H + 2 * Hkv) * Dh, D);
  const Tensor gain = weights.allocate(DType::kF32, {D});
  const Tensor residual = scratch.allocate(DType::kF32, {T, D});
  const Tensor normed = scratch.allocate(DType::kBf16, {T, D});
  const Tensor qkv = scratch.allocate(DType::kF32, {T, (H + 2 * Hkv) * Dh});
  const Tensor ints = scratch.allocate(DType::kI32, {T});
  const std::vector<int32_t> positions(7, 3);
  stream.upload(ints, std::span<const int32_t>(positions));
  add_rms_norm(stream, AddRmsNorm{residual, gain, {}, residual, normed, 1e-5f});
  linear(stream, Linear{normed, wqkv, {}, qkv});
  RopeAndStore rope{};
  rope.qkv = qkv;
  rope.positions = rope.slots = ints;
  rope.cos_sin = weights.allocate(DType::kF32, {4096, 2, Dh / 2});
  rope.H = H;
  rope.Hkv = Hkv;
  rope.Dh = Dh;
  rope.q = scratch.allocate(DType::kBf16, {T, H, Dh});
  rope.k_pages = scratch.allocate(DType::kBf16, {blocks, Hkv, Dh / 2, 16, 2});
  rope.v_pages = scratch.allocate(DType::kBf16, {blocks, Hkv, 8, Dh, 2});
  rope_and_store(stream, rope);
  Attention attend{};
  attend.q = attend.out = rope.q;
  attend.k_pages = rope.k_pages;
  attend.v_pages = rope.v_pages;
  attend.segments = scratch.allocate(DType::kU8, {2, sizeof(AttentionSegment)});
  attend.segment_count = 2;
  attend.positions = ints;
  attend.pages = scratch.allocate(DType::kI32, {64});
  attention(stream, attend);
  attend.spec.window = 100;
  attention(stream, attend);
  std::vector<int32_t> downloaded(7, -1);
  stream.download(ints, std::as_writable_bytes(std::span(downloaded)));
  stream.wait(stream.record());
  lane.detach(stream);

  EXPECT_EQ(downloaded, std::vector<int32_t>(7, 0));
  const std::map<std::string, DryTotal> totals = by_name(log);
  EXPECT_EQ(totals.at("linear").calls, 1);
  EXPECT_EQ(totals.at("linear").flops, 2.0 * T * D * (H + 2 * Hkv) * Dh);
  EXPECT_EQ(totals.at("linear").bytes_read, T * D * 2 + D * (H + 2 * Hkv) * Dh * 2);
  EXPECT_EQ(totals.at("linear").bytes_written, T * (H + 2 * Hkv) * Dh * 4);
  EXPECT_EQ(totals.at("add_rms_norm").bytes_written, T * D * 4 + T * D * 2);
  EXPECT_EQ(totals.at("upload").bytes_written, 28);
  EXPECT_EQ(totals.at("download").bytes_read, 28);
  EXPECT_EQ(totals.at("attention").calls, 2);
  // 64 pages over 2 segments are 512 tokens each; the second call sees 100 of them.
  EXPECT_EQ(totals.at("attention").flops, 4.0 * T * H * Dh * (512 + 100));
  EXPECT_EQ(totals.at("rope_and_store").bytes_written, T * H * Dh * 2 + 2 * T * Hkv * Dh * 2);
  EXPECT_EQ(log.calls()[2].op, "linear");
  EXPECT_EQ(log.calls()[2].shapes, "x [7, 16384] out [7, 18432]");
  EXPECT_GE(weights.bytes_used(), static_cast<size_t>(wqkv.bytes()));
}

TEST(Dry, CountsTheOpsOfDiffusion) {
  DryLog log;
  Stream stream(dry_ops(), 1 << 16);
  Region region = Region::dry("scratch");
  const auto floats = [&](std::initializer_list<int64_t> shape) {
    return region.allocate(DType::kF32, shape);
  };
  const int64_t T = 256, D = 1152, M = 3;
  const Tensor residual = floats({T, D}), delta = floats({T, D}), modulation = floats({M, 6 * D});
  const Tensor ints = region.allocate(DType::kI32, {T}), pool = floats({16384});
  AddLayerNorm norm{};
  norm.delta = delta;
  norm.gate = modulation.columns(0, D);
  norm.row_mod = ints;
  norm.scale = modulation.columns(D, D);
  norm.residual = residual;
  norm.normed = region.allocate(DType::kBf16, {T, D});
  norm.normalise = true;
  add_layer_norm(stream, norm);
  linear(stream, {.x = region.allocate(DType::kBf16, {T, D}),
                  .w = allocate_packed(region, DType::kBf16, gated_columns(100), D),
                  .bias = {},
                  .out = region.allocate(DType::kBf16, {T, 100}),
                  .activation = Activation::kGeluTanh,
                  .gated = true});
  activate(stream, {.in = floats({T, D}),
                    .kind = Activation::kGeluTanh,
                    .out = region.allocate(DType::kBf16, {T, D})});
  patchify(stream, {.pool = pool,
                    .offset = 0,
                    .channels = 4,
                    .frames = 1,
                    .height = 32,
                    .width = 32,
                    .patch = 2,
                    .rows = region.allocate(DType::kBf16, {T, 16})});
  unpatchify(stream, {.rows = floats({T, 32}),
                      .pool = pool,
                      .offset = 4096,
                      .channels = 4,
                      .frames = 1,
                      .height = 32,
                      .width = 32,
                      .patch = 2});
  combine(stream, {.pool = pool,
                   .entries = region.allocate(DType::kU8, {5, sizeof(CombineEntry)}),
                   .entry_count = 5});
  FeaturePut put{};
  put.rows = residual;
  put.index = put.slots = ints;
  put.store = floats({1000, D});
  put.minus_store = true;
  feature_put(stream, put);
  feature_add(stream, {put.store, ints, {}, {}, ints, residual});
  RowPairs pairs{};
  pairs.a = residual;
  pairs.b = put.store;
  pairs.segments = region.allocate(DType::kI32, {2, 2});
  relative_l1(stream, {.pairs = pairs, .out = floats({2, 2})});
  dot_products(stream, {.pairs = pairs, .out = floats({2, 3})});
  im2col(stream, {.in = region.allocate(DType::kBf16, {64, 512}),
                  .height = 8,
                  .width = 8,
                  .kernel = 3,
                  .twice = true,
                  .first = 0,
                  .out = region.allocate(DType::kBf16, {100, 9 * 512})});
  GroupNorm group{};
  group.in = floats({64, 512});
  group.groups = 32;
  group.gain = group.bias = floats({512});
  group.out = region.allocate(DType::kBf16, {64, 512});
  group_norm(stream, group);
  add_positions(stream, {floats({16, D / 2}), ints, floats({16, D / 2}), ints, {}, residual});
  EXPECT_EQ(stream.run_some(dry_execution(log), 100), 13);

  const std::map<std::string, DryTotal> totals = by_name(log);
  EXPECT_EQ(totals.size(), 13u);
  EXPECT_EQ(totals.at("add_layer_norm").bytes_read, 2 * T * D * 4 + 2 * M * D * 4 + T * 4);
  EXPECT_EQ(totals.at("add_layer_norm").bytes_written, T * D * 4 + T * D * 2);
  EXPECT_EQ(totals.at("linear").flops, 2.0 * T * D * 224 + 20.0 * T * 100);
  EXPECT_EQ(totals.at("linear").bytes_written, T * 100 * 2);
  EXPECT_EQ(totals.at("activate").bytes_read, T * D * 4);
  EXPECT_EQ(totals.at("patchify").bytes_written, T * 16 * 2);
  EXPECT_EQ(totals.at("unpatchify").bytes_written, 4 * 32 * 32 * 4);
  EXPECT_EQ(totals.at("combine").bytes_read, int64_t{5 * sizeof(CombineEntry)});
  EXPECT_EQ(totals.at("feature_put").bytes_read, 2 * T * D * 4 + 2 * T * 4);
  EXPECT_EQ(totals.at("feature_add").bytes_written, T * D * 4);
  EXPECT_EQ(totals.at("relative_l1").bytes_read, 2 * T * D * 4 + 16);
  EXPECT_EQ(totals.at("dot_products").flops, 6.0 * T * D);
  EXPECT_EQ(totals.at("im2col").bytes_read, 64 * 512 * 2);
  EXPECT_EQ(totals.at("im2col").bytes_written, 100 * 9 * 512 * 2);
  EXPECT_EQ(totals.at("group_norm").bytes_read, 2 * 64 * 512 * 4 + 2 * 512 * 4);
  EXPECT_EQ(totals.at("add_positions").bytes_written, T * D * 4);
}

TEST(Dry, CollectivesDoNotWait) {
  DryLog log;
  Stream stream(dry_ops(), 1 << 16);
  Region region = Region::dry("scratch");
  Meeting meeting(4);
  const Tensor data = region.allocate(DType::kF32, {3, 8});
  all_reduce(stream, AllReduce{&meeting, 2, data});
  all_gather(stream, AllGather{&meeting, 2, data, region.allocate(DType::kF32, {3, 32})});
  EXPECT_EQ(stream.run_some(dry_execution(log), 10), 2);
  EXPECT_EQ(by_name(log).at("all_reduce").bytes_written, 96);
  log.clear();
  EXPECT_TRUE(log.totals().empty());
}

}  // namespace
}  // namespace tessera
