#include "engine/denoisers/grid_positions.h"

#include <cmath>

#include "kernels/ops/position.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 4096;  // coordinates of all grid extents seen so far

}  // namespace

std::vector<float> sine_cosine_row(double position, int64_t columns) {
  const int64_t pairs = columns / 2;
  std::vector<float> row(columns);
  for (int64_t k = 0; k < pairs; ++k) {
    const double angle = position * std::pow(10000.0, -static_cast<double>(k) / pairs);
    row[k] = static_cast<float>(std::sin(angle));
    row[pairs + k] = static_cast<float>(std::cos(angle));
  }
  return row;
}

GridPositions::GridPositions(Region& weights, int64_t width)
    : half_(width / 2), table_(weights.allocate(DType::kF32, {kRows, width / 2})) {}

absl::StatusOr<int32_t> GridPositions::axis(int extent, int base, double interpolation,
                                            Stream& stream) {
  const auto [found, is_new] = axes_.try_emplace({extent, base, interpolation}, used_);
  if (!is_new) return found->second;
  if (used_ + extent > kRows) {
    axes_.erase(found);
    return absl::ResourceExhaustedError(
        "too many different picture sizes since the start: the position table is full");
  }
  for (int at = 0; at < extent; ++at) {
    const float coordinate = static_cast<float>(at) / (static_cast<float>(extent) / base) /
                             static_cast<float>(interpolation);
    const std::vector<float> row = sine_cosine_row(coordinate, half_);
    stream.upload(table_.rows(used_ + at, 1), std::span<const float>(row));
  }
  used_ += extent;
  return found->second;
}

absl::StatusOr<PositionRows> GridPositions::rows(int height, int width, int base,
                                                 double interpolation, int frames, Stream& stream) {
  const absl::StatusOr<int32_t> across = axis(width, base, interpolation, stream);
  if (!across.ok()) return across.status();
  const absl::StatusOr<int32_t> down = axis(height, base, interpolation, stream);
  if (!down.ok()) return down.status();
  PositionRows rows;
  for (int frame = 0; frame < frames; ++frame) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        rows.a.push_back(*across + x);
        rows.b.push_back(*down + y);
      }
    }
  }
  return rows;
}

void GridPositions::add(const DenoisePass& pass, const Tensor& residual) const {
  const int64_t rows = pass.batch.rows - pass.batch.context_rows;
  add_positions(pass.stream, {.table_a = table_,
                              .index_a = pass.batch.position_a,
                              .table_b = table_,
                              .index_b = pass.batch.position_b,
                              .rows = {},
                              .residual = residual.rows(0, rows)});
}

}  // namespace tessera
