#include "engine/diffusion/decode_worker.h"

#include <algorithm>

namespace tessera {
namespace {

// A picture of 512 x 512 takes about 1.5 MB of a ring.
constexpr size_t kRingBytes = size_t{16} << 20;
constexpr int64_t kLatentPixelsInRing = 8 * 64 * 64;
constexpr int64_t kPiecesLeast = 2, kPiecesMost = 16;
constexpr int kColors = 3;

int tile_side(const AutoencoderKlConfig& config) {
  return std::max(4, config.sample_size / static_cast<int>(config.pixels_per_latent()));
}

struct Scratch {
  Tensor latents, pixels;
};

Scratch allocate_all(AutoencoderKlDecoder& decoder, int channels, int64_t latent_pixels,
                     Region& scratch) {
  decoder.allocate_scratch(scratch, latent_pixels);
  const int64_t scale = decoder.pixels_per_latent();
  return {scratch.allocate(DType::kF32, {channels * latent_pixels}),
          scratch.allocate(DType::kF32, {kColors * latent_pixels * scale * scale})};
}

}  // namespace

absl::StatusOr<std::unique_ptr<DecodeWorker>> DecodeWorker::create(
    std::shared_ptr<Device> device, const AutoencoderKlConfig& config, DType dtype,
    int64_t whole_latent_pixels) {
  const int64_t side = tile_side(config);
  const int64_t latent_pixels = std::max(whole_latent_pixels, side * side);
  Region weights_dry = Region::dry("decoder weights"), scratch_dry = Region::dry("decoder scratch");
  {
    AutoencoderKlDecoder dry(config, dtype, weights_dry);
    allocate_all(dry, config.latent_channels, latent_pixels, scratch_dry);
  }
  absl::StatusOr<Region> weights = Region::create("decoder weights", weights_dry.bytes_used());
  if (!weights.ok()) return weights.status();
  absl::StatusOr<Region> scratch = Region::create("decoder scratch", scratch_dry.bytes_used());
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<DecodeWorker> worker(
      new DecodeWorker(std::move(device), config, dtype, latent_pixels, *std::move(weights)));
  worker->scratch_ = std::make_unique<Region>(*std::move(scratch));
  const Scratch memory =
      allocate_all(worker->decoder_, config.latent_channels, latent_pixels, *worker->scratch_);
  worker->latents_ = memory.latents;
  worker->pixels_ = memory.pixels;
  worker->bytes_ = weights_dry.bytes_used() + scratch_dry.bytes_used();
  worker->device_->lane().attach(worker->stream_);
  worker->attached_ = true;
  return worker;
}

DecodeWorker::DecodeWorker(std::shared_ptr<Device> device, const AutoencoderKlConfig& config,
                           DType dtype, int64_t whole_latent_pixels, Region weights)
    : device_(std::move(device)),
      side_(tile_side(config)),
      whole_latent_pixels_(whole_latent_pixels),
      pieces_max_(static_cast<size_t>(
          std::clamp(kLatentPixelsInRing / whole_latent_pixels, kPiecesLeast, kPiecesMost))),
      weights_(std::move(weights)),
      decoder_(config, dtype, weights_),
      stream_(device_->ops(), kRingBytes) {}

DecodeWorker::~DecodeWorker() {
  if (attached_) device_->lane().detach(stream_);
}

void DecodeWorker::start(Sample sample) {
  const LatentShape& shape = sample.shape;
  PictureTiles tiles(shape.height, shape.width, side_, pixels_per_latent(), whole_latent_pixels_);
  works_.push_back(
      std::make_unique<Work>(Work{std::move(sample), std::move(tiles), {}, {}, 0, 0, false}));
  launch_more();
}

void DecodeWorker::launch_more() {
  for (const std::unique_ptr<Work>& work : works_) {
    while (!work->dropped && work->launched < work->pieces()) {
      if (pieces_.size() >= pieces_max_) return;
      launch(*work);
    }
  }
}

void DecodeWorker::launch(Work& work) {
  const LatentShape& shape = work.sample.shape;
  const size_t tiles = work.tiles.boxes().size();
  const int64_t frame = static_cast<int64_t>(work.launched / tiles);
  const TileBox& box = work.tiles.boxes()[work.launched % tiles];
  std::vector<float> latents;
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    for (int64_t row = box.top; row < box.top + box.height; ++row) {
      const auto begin = work.sample.latents.begin() +
                         ((channel * shape.frames + frame) * shape.height + row) * shape.width +
                         box.left;
      latents.insert(latents.end(), begin, begin + box.width);
    }
  }
  stream_.upload(latents_.rows(0, static_cast<int64_t>(latents.size())),
                 std::span<const float>(latents));
  decoder_.decode(stream_, latents_, 0, box.height, box.width, pixels_, 0);
  const int64_t scale = pixels_per_latent();
  auto piece = std::make_unique<Piece>();
  piece->work = &work;
  piece->pixels.resize(kColors * box.height * box.width * scale * scale);
  stream_.download(pixels_.rows(0, static_cast<int64_t>(piece->pixels.size())),
                   std::as_writable_bytes(std::span(piece->pixels)));
  piece->fence = stream_.record();
  pieces_.push_back(std::move(piece));
  ++work.launched;
}

void DecodeWorker::collect() {
  while (!pieces_.empty() && stream_.done(pieces_.front()->fence)) {
    Work& work = *pieces_.front()->work;
    ++work.collected;
    work.decoded.push_back(std::move(pieces_.front()->pixels));
    pieces_.pop_front();
    if (work.decoded.size() < work.tiles.boxes().size()) continue;
    const std::vector<float> picture = work.tiles.blend(std::move(work.decoded));
    work.decoded.clear();
    for (const float value : picture) {
      work.pixels.push_back(std::clamp(value / 2 + 0.5f, 0.0f, 1.0f));
    }
  }
}

bool DecodeWorker::poll(Decoded& decoded) {
  collect();
  launch_more();
  while (!works_.empty() && works_.front()->done()) {
    const std::unique_ptr<Work> work = std::move(works_.front());
    works_.pop_front();
    if (work->dropped) continue;
    decoded = {work->sample.key, work->sample.step, std::move(work->pixels)};
    return true;
  }
  return false;
}

void DecodeWorker::drop(int64_t key) {
  for (const std::unique_ptr<Work>& work : works_) {
    work->dropped = work->dropped || work->sample.key == key;
  }
}

}  // namespace tessera
