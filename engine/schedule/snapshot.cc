#include "engine/schedule/snapshot.h"

#include <algorithm>

namespace tessera {

int64_t SequenceView::blocks_for(int group, int64_t rows) const {
  const SequencePages& held = groups[group];
  const int64_t end = std::min(next_position + rows, held.end);
  if (end <= next_position) return 0;
  return held.copies + std::max<int64_t>(0, pages_for(end) - held.pages);
}

}  // namespace tessera
