// How near pictures or videos are to others of the same seeds: PSNR and SSIM, by the definitions
// that papers on feature caches report (those of scikit-image). Pure; any thread.
//
// A picture is [3, height, width] and a video [frames, 3, height, width], row-major, values in
// [0, 1]. PSNR is of the mean squared error of a frame, all channels together, at peak 1. SSIM
// looks through a Gaussian window of 11 by 11 (sigma 1.5, K1 0.01, K2 0.03), with population
// covariances, at every place where the whole window fits; it is the mean over places and the three
// channels. Both are means over the frames of a video.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

inline constexpr int kSsimWindow = 11;
inline constexpr double kPsnrMax = 100;  // dB; stands for equal pictures too

struct PictureQuality {
  double psnr_db = 0;
  double ssim = 0;
  double squared_error = 0;  // mean over everything
};

// `shape` is that of both. REQUIRES: it has 3 or 4 extents that multiply to the sizes, and height
// and width of at least kSsimWindow.
PictureQuality compare_pictures(std::span<const float> shown, std::span<const float> wanted,
                                const std::vector<int64_t>& shape);

double psnr_of(double squared_error);

// Of one channel, [height, width].
double ssim_of(std::span<const float> a, std::span<const float> b, int64_t height, int64_t width);

// Means over samples, each of them with the same weight.
class QualityMeans {
 public:
  void add(const PictureQuality& quality);
  int64_t samples() const { return samples_; }
  double psnr_db() const { return psnr_sum_ / static_cast<double>(samples_); }
  double ssim() const { return ssim_sum_ / static_cast<double>(samples_); }
  // Of the mean squared error of all samples together: never above psnr_db, led by the worst ones.
  double pooled_psnr_db() const { return psnr_of(error_sum_ / static_cast<double>(samples_)); }
  double worst_psnr_db() const { return worst_psnr_; }

 private:
  int64_t samples_ = 0;
  double psnr_sum_ = 0, ssim_sum_ = 0, error_sum_ = 0, worst_psnr_ = kPsnrMax;
};

}  // namespace tessera
