#include "tools/bench/roofline/text_load.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "tools/bench/daemon/daemon_metrics.h"
#include "tools/client/connection.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTimeoutSeconds = 900;
constexpr uint32_t kPromptIds = 100'000;  // below the special tokens of every shape

struct StreamTimes {
  absl::Status status;
  std::vector<Clock::time_point> tokens;  // when each arrived
  Clock::time_point ended;
  int64_t cached_tokens = 0;
};

struct Counters {
  double device_seconds = 0, plan_seconds = 0;
  int64_t steps = 0;
};

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

v1::GenerateTextRequest make_request(const LoadShape& shape, int stream) {
  v1::GenerateTextRequest request;
  uint32_t noise = static_cast<uint32_t>(shape.prompt_tokens * 64 + stream + 1);
  for (int token = 0; token < shape.prompt_tokens; ++token) {
    noise = noise * 1664525u + 1013904223u;
    request.mutable_token_ids()->add_ids(static_cast<int32_t>((noise >> 8) % kPromptIds));
  }
  request.mutable_sampling()->set_temperature(0);
  request.mutable_stopping()->set_max_tokens(shape.output_tokens);
  request.mutable_stopping()->set_ignore_eos(true);
  // Text may be held back until a code point is whole; ids never are.
  request.mutable_response()->set_token_ids(true);
  request.mutable_caching()->set_bypass_prefix_cache(!shape.prefix_cache);
  return request;
}

StreamTimes run_stream(const std::string& address, const v1::GenerateTextRequest& request) {
  StreamTimes times;
  Connection connection(address);
  times.status =
      connection.generate(request, kTimeoutSeconds, [&](const v1::GenerateTextEvent& event) {
        const Clock::time_point now = Clock::now();
        if (event.has_prompt()) times.cached_tokens = event.prompt().cached_tokens();
        if (!event.has_delta()) return;
        times.tokens.insert(times.tokens.end(), event.delta().token_count(), now);
      });
  times.ended = Clock::now();
  const int64_t wanted = request.stopping().max_tokens();
  if (times.status.ok() && static_cast<int64_t>(times.tokens.size()) != wanted) {
    times.status = absl::InternalError("the daemon sent " + std::to_string(times.tokens.size()) +
                                       " tokens, not " + std::to_string(wanted));
  }
  return times;
}

absl::StatusOr<Counters> read_counters(const std::string& address) {
  const absl::StatusOr<DaemonMetrics> metrics = DaemonMetrics::read(address);
  if (!metrics.ok()) return metrics.status();
  return Counters{metrics->value("tessera_step_device_seconds_sum"),
                  metrics->value("tessera_step_plan_seconds_sum"),
                  static_cast<int64_t>(metrics->value("tessera_steps_total"))};
}

// The span in which all streams run: from the last first token to the first last token.
void find_common_span(const std::vector<StreamTimes>& streams, const LoadShape& shape,
                      LoadTimes& times) {
  Clock::time_point begin = streams.front().tokens.front();
  Clock::time_point end = streams.front().tokens.back();
  for (const StreamTimes& stream : streams) {
    begin = std::max(begin, stream.tokens.front());
    end = std::min(end, stream.tokens.back());
  }
  int64_t tokens = 0;
  double context_sum = 0;
  for (const StreamTimes& stream : streams) {
    for (size_t index = 0; index < stream.tokens.size(); ++index) {
      if (stream.tokens[index] <= begin || stream.tokens[index] > end) continue;
      ++tokens;
      context_sum += static_cast<double>(shape.prompt_tokens) + static_cast<double>(index);
    }
  }
  if (tokens == 0) return;
  times.step_seconds = seconds_between(begin, end) * shape.streams / static_cast<double>(tokens);
  times.mean_context = context_sum / static_cast<double>(tokens);
}

}  // namespace

TextLoad::TextLoad(std::string grpc_address, std::string metrics_address)
    : grpc_address_(std::move(grpc_address)), metrics_address_(std::move(metrics_address)) {}

absl::StatusOr<LoadTimes> TextLoad::run(const LoadShape& shape) const {
  std::vector<v1::GenerateTextRequest> requests;
  for (int stream = 0; stream < shape.streams; ++stream) {
    requests.push_back(make_request(shape, stream));
  }
  const absl::StatusOr<Counters> before = read_counters(metrics_address_);
  if (!before.ok()) return before.status();
  std::vector<StreamTimes> streams(requests.size());
  const Clock::time_point sent = Clock::now();
  std::vector<std::thread> threads;
  for (size_t stream = 0; stream < requests.size(); ++stream) {
    threads.emplace_back(
        [&, stream] { streams[stream] = run_stream(grpc_address_, requests[stream]); });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::StatusOr<Counters> after = read_counters(metrics_address_);
  if (!after.ok()) return after.status();

  LoadTimes times;
  for (const StreamTimes& stream : streams) {
    if (!stream.status.ok()) return stream.status;
    times.first_token_seconds =
        std::max(times.first_token_seconds, seconds_between(sent, stream.tokens.front()));
    times.total_seconds = std::max(times.total_seconds, seconds_between(sent, stream.ended));
    times.cached_tokens += stream.cached_tokens;
  }
  find_common_span(streams, shape, times);
  times.device_seconds = after->device_seconds - before->device_seconds;
  times.plan_seconds = after->plan_seconds - before->plan_seconds;
  times.steps = after->steps - before->steps;
  return times;
}

}  // namespace tessera
