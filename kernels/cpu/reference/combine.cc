#include <cmath>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress combine(Execution&, const Combine& a) {
  float* pool = a.pool.as<float>();
  for (int e = 0; e < a.entry_count; ++e) {
    const CombineEntry& entry = a.entries.as<CombineEntry>()[e];
    check_entry(entry, a.pool.dim(0));
    for (int64_t i = 0; i < entry.count; ++i) {
      float sum = entry.coefficient[0] * pool[entry.in_offset[0] + i];
      for (int k = 1; k < entry.terms; ++k) {
        sum = std::fma(entry.coefficient[k], pool[entry.in_offset[k] + i], sum);
      }
      if (entry.clip > 0.0f) {
        sum = sum > entry.clip ? entry.clip : sum;
        sum = sum < -entry.clip ? -entry.clip : sum;
      }
      pool[entry.out_offset + i] = sum;
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
