#include "engine/denoise/sinusoid.h"

#include <cmath>

namespace tessera {

std::vector<float> sinusoid(float position, int width, int shift, bool cosine_first) {
  const int half = width / 2;
  const auto decay = static_cast<float>(-std::log(10000.0));
  std::vector<float> embedding(width);
  for (int at = 0; at < half; ++at) {
    const float exponent = decay * static_cast<float>(at) / static_cast<float>(half - shift);
    const auto frequency = static_cast<float>(std::exp(double{exponent}));
    const double angle = double{position * frequency};
    embedding[cosine_first ? at : half + at] = static_cast<float>(std::cos(angle));
    embedding[cosine_first ? half + at : at] = static_cast<float>(std::sin(angle));
  }
  return embedding;
}

}  // namespace tessera
