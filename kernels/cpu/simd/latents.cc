// Latents in the pool: to rows of patches and back, and affine combinations. Bound by memory, and
// small beside a step; the combinations of all jobs are one op, so pieces of all entries are shared
// out.
#include <algorithm>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/latents.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

// Elements [begin, end) of one entry.
struct Piece {
  int32_t entry;
  int64_t begin, end;
};
constexpr int64_t kPiece = 8192;

FloatVec clipped(FloatVec value, FloatVec clip) {
  value = hn::IfThenElse(hn::Gt(value, clip), clip, value);
  return hn::IfThenElse(hn::Lt(value, hn::Neg(clip)), hn::Neg(clip), value);
}

void combine_piece(const CombineEntry& entry, const Piece& piece, float* pool) {
  const FloatTag tag;
  const bool clip = entry.clip > 0.0f;
  int64_t i = piece.begin;
  for (; i + kLanes <= piece.end; i += kLanes) {
    FloatVec sum =
        hn::Mul(hn::Set(tag, entry.coefficient[0]), load_row(pool + entry.in_offset[0] + i));
    for (int k = 1; k < entry.terms; ++k) {
      sum = hn::MulAdd(hn::Set(tag, entry.coefficient[k]), load_row(pool + entry.in_offset[k] + i),
                       sum);
    }
    if (clip) sum = clipped(sum, hn::Set(tag, entry.clip));
    store_row(sum, pool + entry.out_offset + i);
  }
  for (; i < piece.end; ++i) {
    float sum = entry.coefficient[0] * pool[entry.in_offset[0] + i];
    for (int k = 1; k < entry.terms; ++k) {
      sum = std::fma(entry.coefficient[k], pool[entry.in_offset[k] + i], sum);
    }
    if (clip && sum > entry.clip) sum = entry.clip;
    if (clip && sum < -entry.clip) sum = -entry.clip;
    pool[entry.out_offset + i] = sum;
  }
}

Progress run_combine(Execution& execution, const Combine& a) {
  const auto* entries = a.entries.as<const CombineEntry>();
  int64_t count = 0;
  for (int e = 0; e < a.entry_count; ++e) {
    check_entry(entries[e], a.pool.dim(0));
    count += (entries[e].count + kPiece - 1) / kPiece;
  }
  auto* const pieces = reinterpret_cast<Piece*>(
      execution.scratch(0, static_cast<size_t>(count) * sizeof(Piece)).data());
  Piece* next = pieces;
  for (int e = 0; e < a.entry_count; ++e) {
    for (int64_t begin = 0; begin < entries[e].count; begin += kPiece) {
      *next++ = {e, begin, std::min(begin + kPiece, entries[e].count)};
    }
  }
  execution.pool().parallel_for(count, [&](int64_t index, int) {
    combine_piece(entries[pieces[index].entry], pieces[index], a.pool.as<float>());
  });
  return Progress::kDone;
}

template <class Args>
int64_t first_pixel(const Args& a, int64_t row) {
  const int64_t across = a.width / a.patch, down = a.height / a.patch;
  const int64_t x = row % across, y = row / across % down, frame = row / across / down;
  return a.offset + (frame * a.height + y * a.patch) * a.width + x * a.patch;
}

template <class Out>
void take_patch(const Patchify& a, int64_t row, Out* out) {
  const int64_t plane = int64_t{a.frames} * a.height * a.width;
  const float* at = a.pool.as<const float>() + first_pixel(a, row);
  for (int64_t c = 0; c < a.channels; ++c, at += plane) {
    for (int64_t dy = 0; dy < a.patch; ++dy) {
      for (int64_t dx = 0; dx < a.patch; ++dx) {
        store_one(std::fma(at[dy * a.width + dx], a.scale, a.shift), out++);
      }
    }
  }
}

Progress run_patchify(Execution& execution, const Patchify& a) {
  for_each_row(execution, a.rows.dim(0), 6 * a.rows.dim(1), [&](int64_t row, int) {
    if (a.rows.dtype == DType::kBf16) {
      take_patch(a, row, a.rows.row<Bf16>(row));
    } else {
      take_patch(a, row, a.rows.row<float>(row));
    }
  });
  return Progress::kDone;
}

Progress run_unpatchify(Execution& execution, const Unpatchify& a) {
  const int64_t plane = int64_t{a.frames} * a.height * a.width;
  const int64_t C = a.rows.dim(1) / (int64_t{a.patch} * a.patch);
  for_each_row(execution, a.rows.dim(0), 8 * a.rows.dim(1), [&](int64_t row, int) {
    const float* in = a.rows.row<const float>(row);
    float* const at = a.pool.as<float>() + first_pixel(a, row);
    for (int64_t dy = 0; dy < a.patch; ++dy) {
      for (int64_t dx = 0; dx < a.patch; ++dx, in += C) {
        for (int64_t c = 0; c < a.channels; ++c) at[c * plane + dy * a.width + dx] = in[c];
      }
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_latents([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.combine = run_combine;
  table.patchify = run_patchify;
  table.unpatchify = run_unpatchify;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_latents);
void install_latents(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_latents)(table); }
}  // namespace tessera
#endif
