// Frequencies against values computed by transformers 5.23 (tools/golden/text_rope.py prints the
// table). One unit in the last place of an f32 is allowed: its power function differs from ours.
#include "engine/weights/rope.h"

#include <cmath>
#include <limits>

namespace tessera {
namespace {

struct RopeCase {
  const char* name;
  RopeConfig rope;
  int head_width;
  double scale;
  std::vector<float> frequencies;
};

#include "engine/weights/rope_cases.inc"

TEST(Rope, FrequenciesEqualTransformers) {
  for (const RopeCase& expected : rope_cases()) {
    const std::vector<double> found = rope_inverse_frequencies(expected.rope, expected.head_width);
    ASSERT_EQ(found.size(), expected.frequencies.size()) << expected.name;
    for (size_t pair = 0; pair < found.size(); ++pair) {
      const double unit = std::numeric_limits<float>::epsilon() * expected.frequencies[pair];
      EXPECT_NEAR(found[pair], expected.frequencies[pair], 2 * unit)
          << expected.name << ", pair " << pair;
    }
    EXPECT_NEAR(rope_attention_scale(expected.rope), expected.scale, 1e-12) << expected.name;
  }
}

TEST(Rope, FrequenciesAreF32Values) {
  for (const RopeCase& expected : rope_cases()) {
    for (const double frequency : rope_inverse_frequencies(expected.rope, expected.head_width)) {
      EXPECT_EQ(frequency, static_cast<double>(static_cast<float>(frequency))) << expected.name;
    }
  }
}

}  // namespace
}  // namespace tessera
