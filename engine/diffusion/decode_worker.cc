#include "engine/diffusion/decode_worker.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr size_t kRingBytes = size_t{4} << 20;
constexpr int kColors = 3;

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
    int64_t latent_pixels_max) {
  Region weights_dry = Region::dry("decoder weights"), scratch_dry = Region::dry("decoder scratch");
  {
    AutoencoderKlDecoder dry(config, dtype, weights_dry);
    allocate_all(dry, config.latent_channels, latent_pixels_max, scratch_dry);
  }
  absl::StatusOr<Region> weights = Region::create("decoder weights", weights_dry.bytes_used());
  if (!weights.ok()) return weights.status();
  absl::StatusOr<Region> scratch = Region::create("decoder scratch", scratch_dry.bytes_used());
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<DecodeWorker> worker(
      new DecodeWorker(std::move(device), config, dtype, *std::move(weights)));
  worker->scratch_ = std::make_unique<Region>(*std::move(scratch));
  const Scratch memory =
      allocate_all(worker->decoder_, config.latent_channels, latent_pixels_max, *worker->scratch_);
  worker->latents_ = memory.latents;
  worker->pixels_ = memory.pixels;
  worker->bytes_ = weights_dry.bytes_used() + scratch_dry.bytes_used();
  worker->device_->lane().attach(worker->stream_);
  worker->attached_ = true;
  return worker;
}

DecodeWorker::DecodeWorker(std::shared_ptr<Device> device, const AutoencoderKlConfig& config,
                           DType dtype, Region weights)
    : device_(std::move(device)),
      weights_(std::move(weights)),
      decoder_(config, dtype, weights_),
      stream_(device_->ops(), kRingBytes) {}

DecodeWorker::~DecodeWorker() {
  if (attached_) device_->lane().detach(stream_);
}

void DecodeWorker::start(int64_t key, const std::vector<float>& latents, const LatentShape& shape) {
  const int64_t frame = int64_t{shape.height} * shape.width;
  const int64_t scale = pixels_per_latent(), colors = kColors * frame * scale * scale;
  auto pending = std::make_unique<Pending>();
  pending->key = key;
  pending->pixels.resize(shape.frames * colors);
  std::vector<float> one(shape.channels * frame);
  for (int at = 0; at < shape.frames; ++at) {
    for (int channel = 0; channel < shape.channels; ++channel) {
      const auto from = latents.begin() + (int64_t{channel} * shape.frames + at) * frame;
      std::copy(from, from + frame, one.begin() + channel * frame);
    }
    stream_.upload(latents_.rows(0, static_cast<int64_t>(one.size())), std::span<const float>(one));
    decoder_.decode(stream_, latents_, 0, shape.height, shape.width, pixels_, 0);
    stream_.download(
        pixels_.rows(0, colors),
        std::as_writable_bytes(std::span(pending->pixels).subspan(at * colors, colors)));
  }
  pending->fence = stream_.record();
  pending_.push_back(std::move(pending));
}

bool DecodeWorker::poll(Decoded& decoded) {
  if (pending_.empty() || !stream_.done(pending_.front()->fence)) return false;
  decoded.key = pending_.front()->key;
  decoded.pixels = std::move(pending_.front()->pixels);
  pending_.pop_front();
  for (float& value : decoded.pixels) value = std::clamp(value / 2 + 0.5f, 0.0f, 1.0f);
  return true;
}

}  // namespace tessera
