#include "engine/diffusion/probes.h"

#include <algorithm>
#include <map>

#include "engine/batch/array_layout.h"
#include "engine/denoiser/denoise_plan.h"
#include "kernels/ops/probe.h"

namespace tessera {
namespace {

// Pairs of rows under construction, segment by segment.
struct PairList {
  std::vector<int32_t> a, b, segments;

  void segment(size_t first) {
    segments.push_back(static_cast<int32_t>(first));
    segments.push_back(static_cast<int32_t>(a.size() - first));
  }
  RowPairs upload(const Tensor& rows, const Tensor& integers, Stream& stream) const {
    ArrayLayout layout(integers);
    const Tensor list = layout.array(segments);
    const RowPairs pairs{rows, layout.array(a), rows, layout.array(b),
                         make_tensor(list.data, DType::kI32, {list.dim(0) / 2, 2})};
    layout.upload(stream);
    return pairs;
  }
};

void add_rows_of(std::span<const int32_t> blocks, int64_t rows, std::vector<int32_t>& out) {
  for (int64_t row = 0; row < rows; ++row) {
    out.push_back(blocks[row / kFeatureBlockRows] * kFeatureBlockRows +
                  static_cast<int32_t>(row % kFeatureBlockRows));
  }
}

// Latents as rows: the longest, at most a cache line, of which `count` is a whole number.
int64_t row_width(int64_t count) {
  int64_t width = 16;
  while (count % width != 0) width /= 2;
  return width;
}

}  // namespace

std::vector<RangeChange> Probes::changes(Stream& stream, std::span<const FeaturePair> pairs) const {
  PairList list;
  for (const FeaturePair& pair : pairs) {
    const size_t first = list.a.size();
    add_rows_of(pair.now, pair.rows, list.a);
    add_rows_of(pair.kept, pair.rows, list.b);
    list.segment(first);
  }
  const auto count = static_cast<int64_t>(pairs.size());
  const Tensor out = make_tensor(sums_.data, DType::kF32, {count, 2});
  relative_l1(stream,
              {.pairs = list.upload(memory_->features, memory_->integers, stream), .out = out});
  std::vector<float> sums(2 * pairs.size());
  stream.download(out, std::as_writable_bytes(std::span(sums)));
  stream.wait(stream.record());
  std::vector<RangeChange> changes;
  for (size_t pair = 0; pair < pairs.size(); ++pair) {
    changes.push_back({sums[2 * pair], sums[2 * pair + 1]});
  }
  return changes;
}

void Probes::append_products(Stream& stream, std::span<const AnswerPair> pairs,
                             std::vector<float>& sums) const {
  sums.resize(kNumbers * pairs.size());
  // Consecutive pairs whose latents make rows of one width go in one call.
  for (size_t begin = 0, end = 0; begin < pairs.size(); begin = end) {
    const int64_t width = row_width(pairs[begin].count);
    PairList list;
    for (; end < pairs.size() && row_width(pairs[end].count) == width; ++end) {
      const size_t first = list.a.size();
      for (int64_t row = 0; row < pairs[end].count / width; ++row) {
        list.a.push_back(static_cast<int32_t>(pairs[end].conditional / width + row));
        list.b.push_back(static_cast<int32_t>(pairs[end].unconditional / width + row));
      }
      list.segment(first);
    }
    const Tensor& pool = memory_->pool;
    const Tensor rows = make_tensor(pool.data, DType::kF32, {pool.dim(0) / width, width});
    const Tensor out = make_tensor(sums_.data, DType::kF32,
                                   {static_cast<int64_t>(end - begin), int64_t{kNumbers}});
    dot_products(stream, {.pairs = list.upload(rows, memory_->integers, stream), .out = out});
    stream.download(out, std::as_writable_bytes(
                             std::span(sums).subspan(kNumbers * begin, kNumbers * (end - begin))));
  }
}

AnswerProducts Probes::products(std::span<const float> sums, size_t pair) {
  return {sums[kNumbers * pair], sums[kNumbers * pair + 1], sums[kNumbers * pair + 2]};
}

}  // namespace tessera
