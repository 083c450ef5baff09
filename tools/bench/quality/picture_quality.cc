#include "tools/bench/quality/picture_quality.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera {
namespace {

constexpr double kSigma = 1.5;
constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;

std::array<double, kSsimWindow> gaussian() {
  std::array<double, kSsimWindow> weights;
  double sum = 0;
  for (int at = 0; at < kSsimWindow; ++at) {
    const double distance = at - kSsimWindow / 2;
    sum += weights[at] = std::exp(-distance * distance / (2 * kSigma * kSigma));
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Weighted means of a(x) b(x) under the window at every place where it fits:
// [height - 10, width - 10]. An empty `b` is 1 everywhere.
std::vector<double> window_means(std::span<const float> a, std::span<const float> b, int64_t height,
                                 int64_t width) {
  static const std::array<double, kSsimWindow> kWeights = gaussian();
  const int64_t rows = height - kSsimWindow + 1, columns = width - kSsimWindow + 1;
  std::vector<double> along(height * columns), means(rows * columns);
  for (int64_t row = 0; row < height; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      double sum = 0;
      for (int at = 0; at < kSsimWindow; ++at) {
        const int64_t place = row * width + column + at;
        sum += kWeights[at] * a[place] * (b.empty() ? 1.0 : b[place]);
      }
      along[row * columns + column] = sum;
    }
  }
  for (int64_t place = 0; place < rows * columns; ++place) {
    for (int at = 0; at < kSsimWindow; ++at) {
      means[place] += kWeights[at] * along[place + at * columns];
    }
  }
  return means;
}

double mean_squared_error(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t at = 0; at < a.size(); ++at) {
    const double difference = static_cast<double>(a[at]) - b[at];
    sum += difference * difference;
  }
  return sum / static_cast<double>(a.size());
}

}  // namespace

double psnr_of(double squared_error) {
  return squared_error <= 0 ? kPsnrMax : std::min(kPsnrMax, -10 * std::log10(squared_error));
}

double ssim_of(std::span<const float> a, std::span<const float> b, int64_t height, int64_t width) {
  const std::vector<double> mean_a = window_means(a, {}, height, width);
  const std::vector<double> mean_b = window_means(b, {}, height, width);
  const std::vector<double> mean_aa = window_means(a, a, height, width);
  const std::vector<double> mean_bb = window_means(b, b, height, width);
  const std::vector<double> mean_ab = window_means(a, b, height, width);
  double sum = 0;
  for (size_t place = 0; place < mean_a.size(); ++place) {
    const double of_a = mean_a[place], of_b = mean_b[place];
    const double variances = mean_aa[place] - of_a * of_a + mean_bb[place] - of_b * of_b;
    const double covariance = mean_ab[place] - of_a * of_b;
    sum += (2 * of_a * of_b + kC1) * (2 * covariance + kC2) /
           ((of_a * of_a + of_b * of_b + kC1) * (variances + kC2));
  }
  return sum / static_cast<double>(mean_a.size());
}

PictureQuality compare_pictures(std::span<const float> shown, std::span<const float> wanted,
                                const std::vector<int64_t>& shape) {
  const int64_t height = shape[shape.size() - 2], width = shape.back(), plane = height * width;
  const int64_t channels = shape[shape.size() - 3];
  const int64_t frames = static_cast<int64_t>(wanted.size()) / (channels * plane);
  PictureQuality quality;
  for (int64_t frame = 0; frame < frames; ++frame) {
    const int64_t begin = frame * channels * plane;
    const double error = mean_squared_error(shown.subspan(begin, channels * plane),
                                            wanted.subspan(begin, channels * plane));
    quality.squared_error += error;
    quality.psnr_db += psnr_of(error);
    for (int64_t channel = 0; channel < channels; ++channel) {
      const int64_t at = begin + channel * plane;
      quality.ssim += ssim_of(shown.subspan(at, plane), wanted.subspan(at, plane), height, width) /
                      static_cast<double>(channels);
    }
  }
  quality.squared_error /= static_cast<double>(frames);
  quality.psnr_db /= static_cast<double>(frames);
  quality.ssim /= static_cast<double>(frames);
  return quality;
}

void QualityMeans::add(const PictureQuality& quality) {
  ++samples_;
  psnr_sum_ += quality.psnr_db;
  ssim_sum_ += quality.ssim;
  error_sum_ += quality.squared_error;
  worst_psnr_ = std::min(worst_psnr_, quality.psnr_db);
}

}  // namespace tessera
