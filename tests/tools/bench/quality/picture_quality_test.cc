// PSNR and SSIM against cases worked out by hand and values of other programs.
#include "tools/bench/quality/picture_quality.h"

#include <cmath>

#include "gtest/gtest.h"

namespace tessera {
namespace {

constexpr int64_t kHeight = 14, kWidth = 17;

// A pattern that no window sees twice; `twist` makes another one of it.
float pattern(int64_t x, int64_t y, int64_t channel, int64_t frame, int64_t twist) {
  const int64_t level = (7 * x + 13 * y + 5 * channel + 3 * frame + twist * x * y) % 32;
  return static_cast<float>(static_cast<double>(level) / 31);
}

struct Pair {
  std::vector<float> shown, wanted;
};

// wanted: patterns; shown: three quarters of them and a quarter of twisted ones.
Pair patterns(int64_t frames, int64_t channels = 3) {
  Pair pair;
  for (int64_t frame = 0; frame < frames; ++frame) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t y = 0; y < kHeight; ++y) {
        for (int64_t x = 0; x < kWidth; ++x) {
          const double wanted = pattern(x, y, channel, frame, 0);
          const double twisted = pattern(x, y, channel, frame, 1);
          pair.wanted.push_back(static_cast<float>(wanted));
          pair.shown.push_back(static_cast<float>(0.75 * wanted + 0.25 * twisted));
        }
      }
    }
  }
  return pair;
}

TEST(PictureQuality, OfEqualPicturesIsTheBest) {
  const Pair pair = patterns(1);
  const PictureQuality quality = compare_pictures(pair.wanted, pair.wanted, {3, kHeight, kWidth});
  EXPECT_EQ(quality.psnr_db, kPsnrMax);
  EXPECT_NEAR(quality.ssim, 1, 1e-12);
  EXPECT_EQ(quality.squared_error, 0);
}

TEST(PictureQuality, OfAConstantShiftIsKnown) {
  // Flat 0.5 against flat 0.6: an error of 0.01 is 20 dB; without variance SSIM is its first
  // factor.
  const std::vector<float> half(3 * 11 * 11, 0.5f), more(3 * 11 * 11, 0.6f);
  const PictureQuality quality = compare_pictures(more, half, {3, 11, 11});
  EXPECT_NEAR(quality.psnr_db, 20, 1e-5);
  EXPECT_NEAR(quality.ssim, (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4), 1e-6);
}

TEST(PictureQuality, OfAnInvertedPictureIsNegative) {
  std::vector<float> checks(3 * 12 * 12), inverted;
  for (size_t at = 0; at < checks.size(); ++at) checks[at] = (at + at / 12) % 2 ? 1.0f : 0.0f;
  for (const float value : checks) inverted.push_back(1 - value);
  const PictureQuality quality = compare_pictures(inverted, checks, {3, 12, 12});
  EXPECT_NEAR(quality.psnr_db, 0, 1e-12);
  EXPECT_LT(quality.ssim, -0.9);
}

TEST(PictureQuality, AgreesWithTheDefinitionInTwoDimensions) {
  // scikit-image: structural_similarity(..., gaussian_weights=True, sigma=1.5,
  // use_sample_covariance=False, data_range=1, channel_axis=...), and a direct double sum.
  const Pair pair = patterns(2);
  const PictureQuality quality = compare_pictures(pair.shown, pair.wanted, {2, 3, kHeight, kWidth});
  EXPECT_NEAR(quality.ssim, 0.9302249631281674, 1e-9);
  EXPECT_NEAR(quality.psnr_db, 20.255777956232343, 1e-9);
  EXPECT_NEAR(quality.squared_error, 0.009428641028149654, 1e-12);
  // One channel, the first of the first frame.
  const Pair plane = patterns(1, 1);
  EXPECT_NEAR(ssim_of(plane.shown, plane.wanted, kHeight, kWidth), 0.9339479896260353, 1e-9);
}

TEST(QualityMeans, TakeEverySampleAlike) {
  QualityMeans means;
  means.add({20, 0.5, 0.01});
  means.add({40, 0.9, 0.0001});
  EXPECT_EQ(means.samples(), 2);
  EXPECT_NEAR(means.psnr_db(), 30, 1e-12);
  EXPECT_NEAR(means.ssim(), 0.7, 1e-12);
  EXPECT_NEAR(means.pooled_psnr_db(), -10 * std::log10(0.00505), 1e-12);
  EXPECT_EQ(means.worst_psnr_db(), 20);
}

}  // namespace
}  // namespace tessera
