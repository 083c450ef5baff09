// What one rendering may use. Templates come with model folders and are not trusted; reaching a
// limit ends the rendering with RESOURCE_EXHAUSTED. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>

namespace tessera {

struct RenderLimits {
  std::int64_t steps = 10'000'000;        // nodes evaluated, plus one per 64 bytes or 4 items made
  std::size_t output_bytes = 16u << 20;   // rendered text, and text being captured by blocks
  std::size_t memory_bytes = 128u << 20;  // values alive at once
  int depth = 800;                        // nested evaluations; a macro call is about six
  std::int64_t range_items = 100'000;     // as in Jinja's sandbox
  std::optional<std::tm> now = std::nullopt;  // what strftime_now shows; absent: local time
};

}  // namespace tessera
