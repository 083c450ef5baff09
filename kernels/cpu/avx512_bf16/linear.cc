// Matrix products on pairs; install.h says why the bits are those of every other level.
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/avx512_bf16/ops.h"
#include "kernels/cpu/avx512_bf16/quads_inl.h"
#include "kernels/cpu/install.h"
#include "kernels/cpu/linear_dots.h"

#if defined(__x86_64__)

namespace tessera::avx512_bf16 {
namespace {

constexpr int64_t kRowBytes = kPanelDepth * static_cast<int64_t>(sizeof(uint16_t));

template <int R, int P>
TESSERA_AVX512_BF16 void add_dots(const DotChunk& chunk) {
  const std::byte* x = chunk.x;
  const uint32_t* w = chunk.w;
  for (int64_t block = 0; block < chunk.blocks; ++block) {
    for (int panel = 0; panel < P; ++panel) chunk.ahead.ask_for(panel, block);
    Chains<R, P> chains;
    chains.clear();
    for (int quad = 0; quad < kQuadsPerBlock; ++quad) {
      const uint32_t* first[P];
      for (int panel = 0; panel < P; ++panel) {
        first[panel] = w + panel * chunk.panel_stride + 2 * quad * kPairWords;
      }
      chains.add(x + quad * kQuadBytes, kRowBytes, first, kPairWords);
    }
    chains.finish(chunk.acc, chunk.acc_stride);
    x += chunk.x_stride;
    w += kPairsPerBlock * kPairWords;
  }
}

// Four k of every 64 bits go from the order of memory to (k + 2, k), (k + 3, k + 1).
TESSERA_AVX512_BF16 void store_quads(const uint16_t* in, std::byte* out) {
  const __m512i order = _mm512_set4_epi32(0x0b0a0f0e, 0x09080d0c, 0x03020706, 0x01000504);
  _mm512_storeu_si512(out, _mm512_shuffle_epi8(_mm512_loadu_si512(in), order));
}

void lay_out(const Linear& args, int64_t row_begin, int64_t rows, std::byte* x) {
  const int64_t K = args.w.K;
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t* in = args.x.row<const uint16_t>(row_begin + row);
    std::byte* out = x + row * kRowBytes;
    int64_t k = 0;
    for (; k + kPanelDepth <= K; k += kPanelDepth, out += rows * kRowBytes) {
      store_quads(in + k, out);
    }
    if (k == K) continue;
    uint16_t rest[kPanelDepth] = {};
    std::memcpy(rest, in + k, static_cast<size_t>(K - k) * sizeof(uint16_t));
    store_quads(rest, out);
  }
}

template <int P, int... kRowsLess1>
constexpr std::array<AddDots, kDotRows> kernels_of(std::integer_sequence<int, kRowsLess1...>) {
  return {add_dots<kRowsLess1 + 1, P>...};
}
constexpr auto kRowCounts = std::make_integer_sequence<int, kDotRows>();
constexpr DotKernels kPairKernels = {.element_bytes = sizeof(uint16_t),
                                     .lay_out = lay_out,
                                     .add = {kernels_of<1>(kRowCounts), kernels_of<2>(kRowCounts)}};

}  // namespace

Progress linear(Execution& execution, const Linear& args) {
  if (args.w.dtype != DType::kBf16 || args.x.dim(0) == 0 || args.w.N == 0) {
    return cpu_ops(IsaLevel::kAvx512).linear(execution, args);
  }
  best_linear_of_dots()(execution, args, kPairKernels);
  return Progress::kDone;
}

}  // namespace tessera::avx512_bf16

#endif
