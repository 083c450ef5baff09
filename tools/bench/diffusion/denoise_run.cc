#include "tools/bench/diffusion/denoise_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "tools/client/connection.h"

namespace tessera {
namespace {

constexpr double kTimeoutSeconds = 3600;
constexpr int64_t kSampleBytesMax = int64_t{1} << 30;

class Collection {
 public:
  explicit Collection(const OnDenoiseStep& on_step) : on_step_(on_step) {}

  void take(const v1::DenoiseEvent& event) {
    if (event.has_accepted() && on_step_) on_step_(0);
    if (event.has_step() && on_step_) on_step_(event.step().step());
    if (event.has_result()) take_chunk(event.result());
    if (event.has_actions()) take_actions(event.actions());
    if (event.has_trace()) {
      run_.trace.insert(run_.trace.end(), event.trace().steps().begin(),
                        event.trace().steps().end());
    }
    if (event.has_completed()) {
      const v1::DenoiseTimings& timings = event.completed().timings();
      run_.queue_seconds = timings.queue_seconds();
      run_.denoise_seconds = timings.denoise_seconds();
      run_.total_seconds = timings.total_seconds();
    }
  }

  absl::StatusOr<DenoiseRun> finish(absl::Status status) {
    status.Update(status_);
    if (!status.ok()) return status;
    int64_t values = 1;
    for (const int64_t extent : run_.shape) values *= extent;
    for (const std::vector<float>& sample : run_.samples) {
      if (run_.shape.empty() || static_cast<int64_t>(sample.size()) != values) {
        return absl::InternalError("the daemon sent a result that its shape does not describe");
      }
    }
    return std::move(run_);
  }

 private:
  std::vector<float>* sample(int64_t index, int64_t values) {
    const auto known = static_cast<int64_t>(run_.samples.size());
    if (index < 0 || index > known || values < 0 || values > kSampleBytesMax / 4) {
      status_ = absl::InternalError("the daemon sent a result of no sample");
      return nullptr;
    }
    if (index == known) run_.samples.emplace_back();
    if (static_cast<int64_t>(run_.samples[index].size()) < values) {
      run_.samples[index].resize(values);
    }
    return &run_.samples[index];
  }

  void take_chunk(const v1::OutputChunk& chunk) {
    std::vector<float>* const out = sample(chunk.sample(), chunk.total_bytes() / 4);
    if (out == nullptr) return;
    run_.shape.assign(chunk.shape().begin(), chunk.shape().end());
    const auto size = static_cast<int64_t>(chunk.data().size());
    if (chunk.offset() < 0 || chunk.offset() + size > static_cast<int64_t>(out->size()) * 4) {
      status_ = absl::InternalError("the daemon sent bytes outside of their result");
      return;
    }
    std::memcpy(reinterpret_cast<char*>(out->data()) + chunk.offset(), chunk.data().data(), size);
  }

  void take_actions(const v1::Actions& actions) {
    const v1::Tensor& values = actions.values();
    const bool packed = values.has_data();
    const int64_t count = packed ? static_cast<int64_t>(values.data().size()) / 4
                                 : static_cast<int64_t>(values.values_size());
    const int64_t width = values.shape_size() == 2 ? values.shape(1) : 1;
    const int64_t begin = actions.first_step() * width;
    std::vector<float>* const out = sample(actions.sample(), begin + count);
    if (out == nullptr) return;
    run_.shape = {static_cast<int64_t>(out->size()) / std::max<int64_t>(1, width), width};
    if (packed) {
      std::memcpy(out->data() + begin, values.data().data(), count * 4);
    } else {
      std::copy(values.values().begin(), values.values().end(), out->begin() + begin);
    }
  }

  const OnDenoiseStep& on_step_;
  DenoiseRun run_;
  absl::Status status_;
};

}  // namespace

template <class Request>
absl::StatusOr<DenoiseRun> run_denoise(const std::string& address, const Request& request,
                                       const OnDenoiseStep& on_step) {
  using Clock = std::chrono::steady_clock;
  thread_local std::string connected_to;
  thread_local std::unique_ptr<Connection> connection;
  if (connection == nullptr || connected_to != address) {
    connection = std::make_unique<Connection>(address);
    connected_to = address;
  }
  Collection collection(on_step);
  const Clock::time_point sent = Clock::now();
  const absl::Status status = connection->generate(
      request, kTimeoutSeconds, [&](const v1::DenoiseEvent& event) { collection.take(event); });
  const std::chrono::duration<double> wall = Clock::now() - sent;
  absl::StatusOr<DenoiseRun> run = collection.finish(status);
  if (run.ok()) run->wall_seconds = wall.count();
  return run;
}

template absl::StatusOr<DenoiseRun> run_denoise(const std::string&, const v1::GenerateImageRequest&,
                                                const OnDenoiseStep&);
template absl::StatusOr<DenoiseRun> run_denoise(const std::string&, const v1::GenerateVideoRequest&,
                                                const OnDenoiseStep&);
template absl::StatusOr<DenoiseRun> run_denoise(const std::string&, const v1::PredictActionRequest&,
                                                const OnDenoiseStep&);

}  // namespace tessera
