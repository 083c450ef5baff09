#include "engine/denoisers/grid_positions.h"

#include "gtest/gtest.h"

namespace tessera {
namespace {

// The published table of width 1152 on a grid of unit spacing: the token in row 1, column 2 has its
// column in the first half and its row in the second.
TEST(GridPositions, PublishedValues) {
  const std::vector<float> column = sine_cosine_row(2, 576), row = sine_cosine_row(1, 576);
  ASSERT_EQ(column.size(), 576u);
  EXPECT_NEAR(column[0], .909297, 1e-6);
  EXPECT_NEAR(column[1], .933675, 1e-6);
  EXPECT_NEAR(column[288], -.416147, 1e-6);
  EXPECT_NEAR(row[0], .841471, 1e-6);
  EXPECT_NEAR(row[1], .824051, 1e-6);
  EXPECT_NEAR(row[288], .540302, 1e-6);
}

}  // namespace
}  // namespace tessera
