#include "engine/chat/sort.h"

#include "engine/chat/compare.h"

namespace tessera::jinja {

// A merge sort of our own: std::stable_sort asks for a strict weak order, which values read from a
// template need not have.
std::vector<std::size_t> sorted_places(Meter& meter, const std::vector<Value>& keys, bool reverse) {
  const std::size_t count = keys.size();
  std::vector<std::size_t> places(count), merged(count);
  for (std::size_t index = 0; index < count; ++index) places[index] = index;
  const auto goes_first = [&](std::size_t later, std::size_t earlier) {
    return reverse ? compare(meter, Comparison::kLess, keys[earlier], keys[later])
                   : compare(meter, Comparison::kLess, keys[later], keys[earlier]);
  };
  for (std::size_t width = 1; width < count; width *= 2) {
    for (std::size_t start = 0; start < count; start += 2 * width) {
      const std::size_t middle = std::min(start + width, count);
      const std::size_t end = std::min(start + 2 * width, count);
      std::size_t left = start, right = middle;
      for (std::size_t out = start; out < end; ++out) {
        const bool take_right =
            left == middle || (right < end && goes_first(places[right], places[left]));
        merged[out] = take_right ? places[right++] : places[left++];
      }
    }
    places.swap(merged);
  }
  return places;
}

}  // namespace tessera::jinja
