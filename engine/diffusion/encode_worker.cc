#include "engine/diffusion/encode_worker.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr size_t kRingBytes = size_t{1} << 20;

Tensor allocate_all(T5Encoder& encoder, int64_t tokens_max, int64_t width, Region& scratch) {
  encoder.allocate_scratch(scratch);
  return scratch.allocate(DType::kF32, {tokens_max, width});
}

}  // namespace

absl::StatusOr<std::unique_ptr<EncodeWorker>> EncodeWorker::create(
    std::shared_ptr<Device> device, const T5Config& config, DType dtype,
    std::unique_ptr<const Tokenizer> tokenizer, int tokens_max) {
  if (tokenizer->vocab_size() > config.vocab_size) {
    return absl::InvalidArgumentError("tokenizer: has " + std::to_string(tokenizer->vocab_size()) +
                                      " ids, vocab_size of text_encoder/config.json is " +
                                      std::to_string(config.vocab_size));
  }
  Region weights_dry = Region::dry("encoder weights"), scratch_dry = Region::dry("encoder scratch");
  {
    T5Encoder dry(config, dtype, {tokens_max, 1}, weights_dry);
    allocate_all(dry, tokens_max, config.width, scratch_dry);
  }
  absl::StatusOr<Region> weights = Region::create("encoder weights", weights_dry.bytes_used());
  if (!weights.ok()) return weights.status();
  absl::StatusOr<Region> scratch = Region::create("encoder scratch", scratch_dry.bytes_used());
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<EncodeWorker> worker(new EncodeWorker(
      std::move(device), config, dtype, tokens_max, *std::move(weights), std::move(tokenizer)));
  worker->scratch_ = std::make_unique<Region>(*std::move(scratch));
  worker->rows_ = allocate_all(worker->encoder_, tokens_max, config.width, *worker->scratch_);
  worker->bytes_ = weights_dry.bytes_used() + scratch_dry.bytes_used();
  worker->device_->lane().attach(worker->stream_);
  worker->attached_ = true;
  return worker;
}

EncodeWorker::EncodeWorker(std::shared_ptr<Device> device, const T5Config& config, DType dtype,
                           int tokens_max, Region weights,
                           std::unique_ptr<const Tokenizer> tokenizer)
    : device_(std::move(device)),
      width_(config.width),
      tokens_max_(tokens_max),
      tokenizer_(std::move(tokenizer)),
      weights_(std::move(weights)),
      encoder_(config, dtype, {tokens_max, 1}, weights_),
      stream_(device_->ops(), kRingBytes) {}

EncodeWorker::~EncodeWorker() {
  if (attached_) device_->lane().detach(stream_);
}

absl::Status EncodeWorker::load(const TensorFiles& files) {
  const absl::Status status = encoder_.load(files, stream_);
  stream_.wait(stream_.record());
  return status;
}

absl::StatusOr<std::vector<int32_t>> EncodeWorker::ids(const char* field,
                                                       std::string_view text) const {
  if (text.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(std::string(field) + " has " + std::to_string(text.size()) +
                                      " bytes, must have at most " + std::to_string(kTextBytesMax));
  }
  std::vector<int32_t> ids = encoder_.ids(*tokenizer_, text);
  if (static_cast<int64_t>(ids.size()) > tokens_max_) {
    return absl::InvalidArgumentError(std::string(field) + " has " + std::to_string(ids.size()) +
                                      " tokens with the end token, must have at most " +
                                      std::to_string(tokens_max_));
  }
  return ids;
}

const FloatArray* EncodeWorker::find(const std::vector<int32_t>& ids) {
  take_done();
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&ids](const Prompt& prompt) { return prompt.ids == ids; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return &kept_.front().rows;
  }
  const bool on_its_way =
      std::any_of(pending_.begin(), pending_.end(),
                  [&ids](const auto& pending) { return pending->prompt.ids == ids; });
  if (!on_its_way) start(ids);
  return nullptr;
}

void EncodeWorker::start(const std::vector<int32_t>& ids) {
  auto pending = std::make_unique<Pending>();
  const int64_t count = static_cast<int64_t>(ids.size());
  pending->prompt.ids = ids;
  pending->prompt.rows = {{count, width_}, std::vector<float>(count * width_)};
  const Tensor rows = rows_.rows(0, count);
  encoder_.encode(encoder_.lay_out({ids}, stream_), rows, stream_);
  stream_.download(rows, std::as_writable_bytes(std::span(pending->prompt.rows.values)));
  pending->fence = stream_.record();
  pending_.push_back(std::move(pending));
}

void EncodeWorker::take_done() {
  while (!pending_.empty() && stream_.done(pending_.front()->fence)) {
    kept_.push_front(std::move(pending_.front()->prompt));
    pending_.pop_front();
    if (kept_.size() > kPromptsKept) kept_.pop_back();
  }
}

}  // namespace tessera
