#include "engine/run/emit.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr int kLogprobColumns = 1 + Sample::kMaxLogprobs;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

TokenInfo token_info(const Tokenizer& tokenizer, const StepResult& result, int32_t sample,
                     int32_t id, int alternatives) {
  TokenInfo info;
  info.id = id;
  info.text = tokenizer.decode(std::span(&id, 1), false);
  if (alternatives < 0) return info;
  const float* logprobs = result.logprobs.data() + int64_t{sample} * kLogprobColumns;
  const int32_t* ids = result.logprob_ids.data() + int64_t{sample} * kLogprobColumns;
  info.logprob = logprobs[0];
  info.rank = ids[0];
  for (int place = 1; place <= alternatives; ++place) {
    if (ids[place] < 0) break;
    info.alternatives.push_back(
        {ids[place], tokenizer.decode(std::span(&ids[place], 1), false), logprobs[place]});
  }
  return info;
}

bool contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// What ends the output at this token, if anything; stop strings are the caller's business.
std::optional<Finished> end_by_id(const LiveRequest& request, const Output& output, int32_t id) {
  if (contains(request.end_ids, id)) {
    return Finished{output.index, FinishReason::kStop, std::nullopt, std::nullopt, id};
  }
  if (contains(request.request.stopping.stop_token_ids, id)) {
    return Finished{output.index, FinishReason::kStop, std::nullopt, id, std::nullopt};
  }
  return std::nullopt;
}

void note_times(LiveRequest& request) {
  const Clock::time_point now = Clock::now();
  if (!request.first_token.has_value()) {
    request.first_token = now;
    request.timings.first_token_seconds = seconds_between(request.submitted, now);
  } else {
    request.inter_token_seconds.push_back(seconds_between(request.last_token, now));
  }
  request.last_token = now;
}

}  // namespace

int emit_tokens(const Tokenizer& tokenizer, const StepResult& result,
                std::span<const SampledToken> tokens, Output& output) {
  LiveRequest& request = *output.request;
  const StoppingParams& stopping = request.request.stopping;
  const bool wants_tokens = request.request.response.token_ids || request.sampling.logprobs >= 0;
  Delta delta;
  delta.output_index = output.index;
  std::optional<Finished> finished;
  int taken = 0;
  for (const SampledToken& token : tokens) {
    ++taken;
    ++output.emitted;
    ++request.usage.completion_tokens;
    ++delta.token_count;
    note_times(request);
    if (wants_tokens) {
      delta.tokens.push_back(
          token_info(tokenizer, result, token.sample, token.id, request.sampling.logprobs));
    }
    finished = end_by_id(request, output, token.id);
    // Stop strings count from min_tokens on; text before is released as it comes.
    const bool watched = output.emitted > request.min_tokens || request.min_tokens == 0;
    if (!finished.has_value() || stopping.include_stop_in_output) {
      const std::string text = output.text.append(token.id);
      delta.text += watched ? output.stops.append(text) : text;
    }
    if (!finished.has_value() && output.stops.match().has_value()) {
      finished = Finished{output.index, FinishReason::kStop,
                          stopping.stop[output.stops.match()->index], std::nullopt, std::nullopt};
    }
    if (!finished.has_value() && output.emitted >= request.max_tokens) {
      finished =
          Finished{output.index, FinishReason::kLength, std::nullopt, std::nullopt, std::nullopt};
    }
    if (finished.has_value()) break;
  }
  if (finished.has_value()) {
    delta.text += output.stops.append(output.text.flush());
    delta.text += output.stops.flush();
  }
  if (delta.token_count > 0) request.sink->post(std::move(delta));
  if (finished.has_value()) {
    output.finished = finished->reason;
    request.sink->post(*std::move(finished));
  }
  return taken;
}

void finish_output(Output& output, FinishReason reason) {
  if (output.finished.has_value()) return;
  output.finished = reason;
  Delta delta;
  delta.output_index = output.index;
  delta.text = output.stops.append(output.text.flush());
  delta.text += output.stops.flush();
  if (!delta.text.empty()) output.request->sink->post(std::move(delta));
  output.request->sink->post(
      Finished{output.index, reason, std::nullopt, std::nullopt, std::nullopt});
}

void collect_prompt_logprobs(const Tokenizer& tokenizer, const StepResult& result, int32_t first,
                             int32_t sample_begin, int32_t sample_count, LiveRequest& request) {
  if (sample_count > 0 && request.prompt_logprobs.empty()) {
    request.prompt_logprobs.push_back(token_info(tokenizer, result, 0, request.prompt[0], -1));
  }
  for (int32_t at = 0; at < sample_count; ++at) {
    request.prompt_logprobs.push_back(token_info(tokenizer, result, sample_begin + at,
                                                 request.prompt[first + at],
                                                 request.sampling.prompt_logprobs));
  }
}

void report_prompt(LiveRequest& request) {
  if (request.prompt_reported) return;
  request.prompt_reported = true;
  request.sink->post(PromptProcessed{request.usage.prompt_tokens,
                                     request.usage.cached_prompt_tokens,
                                     std::move(request.prompt_logprobs)});
}

RequestReport end_request(LiveRequest& request) {
  request.timings.total_seconds = seconds_between(request.submitted, Clock::now());
  RequestReport report;
  report.usage = request.usage;
  report.inter_token_seconds = std::move(request.inter_token_seconds);
  if (request.failure.ok()) {
    report.outcome = "stop";
    for (const auto& output : request.outputs) {
      if (output->finished == FinishReason::kLength) report.outcome = "length";
    }
    request.sink->post(Completed{request.usage, request.timings});
  } else {
    report.outcome = absl::IsCancelled(request.failure)          ? "cancelled"
                     : absl::IsDeadlineExceeded(request.failure) ? "deadline"
                                                                 : "error";
    request.sink->post(Failed{request.failure, request.usage});
  }
  report.timings = request.timings;
  return report;
}

}  // namespace tessera
