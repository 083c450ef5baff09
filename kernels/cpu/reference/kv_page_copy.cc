#include <cstring>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress kv_page_copy(Execution&, const KvPageCopy& a) {
  const PageIndex index(a.k_pages);
  const size_t size = size_of(a.k_pages.dtype);
  char* canonical = a.canonical.as<char>();
  // The canonical form is walked in its own order, one element after the other.
  const auto copy = [&](const Tensor& pages, int64_t element) {
    char* page = pages.as<char>() + element * static_cast<int64_t>(size);
    std::memcpy(a.import ? page : canonical, a.import ? canonical : page, size);
    canonical += size;
  };
  for (int64_t n = 0; n < a.pages.dim(0); ++n) {
    const int64_t first_slot = int64_t{a.pages.as<int32_t>()[n]} * kKvBlockTokens;
    for (const bool is_key : {true, false}) {
      for (int64_t h = 0; h < index.Hkv; ++h) {
        for (int64_t slot = first_slot; slot < first_slot + kKvBlockTokens; ++slot) {
          for (int64_t d = 0; d < index.Dh; ++d) {
            if (is_key) {
              copy(a.k_pages, index.k(slot, h, d));
            } else {
              copy(a.v_pages, index.v(slot, h, d));
            }
          }
        }
      }
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
