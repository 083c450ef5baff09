// The sinusoidal embedding of a timestep or of another scalar, before the network's own layers.
// Pure; any thread.
#pragma once

#include <vector>

namespace tessera {

// [width]: frequencies exp(-ln(10000) j / (width / 2 - shift)), j < width / 2; cosines then sines,
// or the other way round. Frequencies and angles in f32, as the reference implementations have
// them. REQUIRES: width even and width / 2 > shift.
std::vector<float> sinusoid(float position, int width, int shift, bool cosine_first);

}  // namespace tessera
