#include <cmath>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

// Calls visit(row, dy, dx, element of the first channel) for every pixel of every patch.
template <class Args, class Visit>
void for_each_pixel(const Args& a, Visit&& visit) {
  for (int64_t f = 0; f < a.frames; ++f) {
    for (int64_t y = 0; y < a.height; ++y) {
      for (int64_t x = 0; x < a.width; ++x) {
        const int64_t p = a.patch;
        const int64_t row = (f * (a.height / p) + y / p) * (a.width / p) + x / p;
        visit(row, y % p, x % p, a.offset + (f * a.height + y) * a.width + x);
      }
    }
  }
}

template <class Args>
int64_t plane(const Args& a) {
  return int64_t{a.frames} * a.height * a.width;
}

}  // namespace

Progress patchify(Execution&, const Patchify& a) {
  for_each_pixel(a, [&](int64_t row, int64_t dy, int64_t dx, int64_t element) {
    for (int64_t c = 0; c < a.channels; ++c) {
      const float value = a.pool.as<float>()[element + c * plane(a)];
      store_element(a.rows.data, a.rows.dtype,
                    row * a.rows.stride[0] + (c * a.patch + dy) * a.patch + dx,
                    std::fma(value, a.scale, a.shift));
    }
  });
  return Progress::kDone;
}

Progress unpatchify(Execution&, const Unpatchify& a) {
  const int64_t C = a.rows.dim(1) / (int64_t{a.patch} * a.patch);
  for_each_pixel(a, [&](int64_t row, int64_t dy, int64_t dx, int64_t element) {
    for (int64_t c = 0; c < a.channels; ++c) {
      a.pool.as<float>()[element + c * plane(a)] =
          a.rows.row<float>(row)[(dy * a.patch + dx) * C + c];
    }
  });
  return Progress::kDone;
}

}  // namespace tessera::reference
