// The tables behind unicode.h, one entry per run of alike code points; written by
// tools/golden/chat_unicode.py from Python's own str methods. Constant data, read by any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::jinja {

// First code point of a run in the upper 21 bits, its CharFlags in the lower 11; ascending.
extern const std::uint32_t kCharRuns[];
extern const std::size_t kCharRunCount;

// Every `step`-th code point from first to last changes by delta; ascending, apart.
struct CaseRun {
  std::uint32_t first, last;
  std::int32_t step, delta;
};

// A code point that changes to two or three; unused places are 0.
struct CaseMany {
  std::uint32_t point;
  std::uint32_t to[3];
};

extern const CaseRun kLowerRuns[], kUpperRuns[], kTitleRuns[];
extern const std::size_t kLowerRunCount, kUpperRunCount, kTitleRunCount;
extern const CaseMany kLowerMany[], kUpperMany[], kTitleMany[];
extern const std::size_t kLowerManyCount, kUpperManyCount, kTitleManyCount;

}  // namespace tessera::jinja
