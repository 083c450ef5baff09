#include "tools/bench/diffusion/network_work.h"

namespace tessera {
namespace {

int64_t or_trained(int64_t wanted, int64_t trained) { return wanted > 0 ? wanted : trained; }

// Rows of a sample, as the sites see them.
struct Rows {
  double all = 0, of_frame = 0, frames = 0, condition = 0;
};

double attention(const Rows& rows, double keys, double width) {
  return 8 * rows.all * width * width + 4 * rows.all * keys * width;
}

double cross_attention(const Rows& rows, double width) {
  return 4 * rows.all * width * width + 4 * rows.all * rows.condition * width;
}

double mlp(const Rows& rows, double width) { return 16 * rows.all * width * width; }

Rows patches_of(const TransformerShape& shape, const StepSize& size, int64_t trained_frames) {
  const int64_t height = or_trained(size.height, shape.sample_size) / shape.patch;
  const int64_t width = or_trained(size.width, shape.sample_size) / shape.patch;
  Rows rows;
  rows.frames = static_cast<double>(or_trained(size.frames, trained_frames));
  rows.of_frame = static_cast<double>(height * width);
  rows.all = rows.frames * rows.of_frame;
  rows.condition = static_cast<double>(size.condition_rows);
  return rows;
}

// Patches to rows, rows to patches, the embedding of the timestep.
double ends_of(const TransformerShape& shape, const Rows& rows) {
  const auto width = static_cast<double>(shape.width());
  const double pixels = shape.patch * shape.patch;
  return 2 * rows.all * width * pixels * (shape.in_channels + shape.out_channels) +
         2 * width * (static_cast<double>(kSinusoidWidth) + width);
}

NetworkWork work_of(const DitConfig& config, const StepSize& size) {
  const Rows rows = patches_of(config, size, 1);
  const auto width = static_cast<double>(config.width());
  NetworkWork work{{}, ends_of(config, rows), true};
  for (int block = 0; block < config.layers; ++block) {
    work.sites.push_back({block, SiteKind::kSelf, attention(rows, rows.of_frame, width)});
    work.sites.push_back({block, SiteKind::kMlp, mlp(rows, width)});
  }
  // Modulations: six parts a block and two at the end, of one row.
  work.other_operations += 2 * width * width * (6 * config.layers + 2);
  return work;
}

NetworkWork work_of(const LatteConfig& config, const StepSize& size) {
  const Rows rows = patches_of(config, size, config.frames);
  const auto width = static_cast<double>(config.width());
  NetworkWork work{{}, ends_of(config, rows), true};
  for (int block = 0; block < config.layers; ++block) {
    work.sites.push_back({block, SiteKind::kSelf, attention(rows, rows.of_frame, width)});
    work.sites.push_back({block, SiteKind::kCross, cross_attention(rows, width)});
    work.sites.push_back({block, SiteKind::kMlp, mlp(rows, width)});
    work.sites.push_back({block, SiteKind::kTemporal, attention(rows, rows.frames, width)});
    work.sites.push_back({block, SiteKind::kMlp, mlp(rows, width)});
  }
  work.other_operations += 2 * width * width * 6;  // one modulation for all blocks
  return work;
}

NetworkWork work_of(const DiffusionPolicyConfig& config, const StepSize&) {
  const auto width = static_cast<double>(config.width);
  Rows rows;
  rows.all = config.horizon;
  rows.condition = 1 + config.observation_steps;
  NetworkWork work{{}, 4 * rows.all * width * config.action_width, false};
  // The timestep through the encoder, and its K and V in every layer.
  work.other_operations += 2 * 8 * width * width + 4 * width * width * config.layers;
  for (int block = 0; block < config.layers; ++block) {
    work.sites.push_back({block, SiteKind::kSelf, attention(rows, (rows.all + 1) / 2, width)});
    work.sites.push_back({block, SiteKind::kCross, cross_attention(rows, width)});
    work.sites.push_back({block, SiteKind::kMlp, mlp(rows, width)});
  }
  return work;
}

}  // namespace

double NetworkWork::step_operations() const {
  double sum = other_operations;
  for (const NetworkSite& site : sites) sum += site.operations;
  return sum;
}

absl::StatusOr<NetworkWork> network_work(const TransformerConfig& transformer,
                                         const StepSize& size) {
  if (const auto* dit = std::get_if<DitConfig>(&transformer)) return work_of(*dit, size);
  if (const auto* latte = std::get_if<LatteConfig>(&transformer)) return work_of(*latte, size);
  if (const auto* policy = std::get_if<DiffusionPolicyConfig>(&transformer)) {
    return work_of(*policy, size);
  }
  return absl::UnimplementedError("the branches of this network are not counted");
}

}  // namespace tessera
