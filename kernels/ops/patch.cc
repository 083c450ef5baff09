#include "kernels/ops/patch.h"

#include <algorithm>

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

// CHECKs the numbers both ways share and gives how many rows there are. Extents are bounded so that
// no product of them runs over.
template <class Args>
int64_t expect_picture(const Args& a) {
  constexpr int64_t kMost = int64_t{1} << 40;
  Dim N("N");
  expect("pool", a.pool, {N}, DType::kF32);
  CHECK_GT(a.patch, 0);
  CHECK(a.channels > 0 && a.frames >= 0 && a.height >= 0 && a.width >= 0);
  CHECK_EQ(a.height % a.patch, 0);
  CHECK_EQ(a.width % a.patch, 0);
  const int64_t pixels = int64_t{a.height} * a.width;
  const int64_t planes = int64_t{a.channels} * a.frames;
  CHECK_LE(pixels, kMost / std::max<int64_t>(1, planes));
  CHECK_GE(a.offset, 0);
  CHECK_LE(a.offset, N - planes * pixels);
  return a.frames * (pixels / (int64_t{a.patch} * a.patch));
}

}  // namespace

void patchify(Stream& stream, const Patchify& a) {
  const int64_t rows = expect_picture(a);
  const int64_t columns = int64_t{a.channels} * a.patch * a.patch;
  expect("rows", a.rows, {rows, columns}, {DType::kBf16, DType::kF32});
  if (rows == 0) return;
  stream.submit(stream.ops().patchify, a);
}

void unpatchify(Stream& stream, const Unpatchify& a) {
  const int64_t rows = expect_picture(a);
  Dim columns("columns");
  expect("rows", a.rows, {rows, columns}, DType::kF32);
  const int64_t pixels = int64_t{a.patch} * a.patch;
  CHECK_EQ(columns % pixels, 0);
  CHECK_LE(a.channels, columns / pixels);
  if (rows == 0) return;
  stream.submit(stream.ops().unpatchify, a);
}

}  // namespace tessera
