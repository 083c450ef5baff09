#include "engine/decode/sampling.h"

#include <cmath>
#include <optional>
#include <string>

namespace tessera {
namespace {

constexpr int64_t kOutputsMax = 128;
constexpr size_t kStopStringsMax = 64;
constexpr size_t kStopStringBytesMax = 1024;
constexpr size_t kBiasEntriesMax = 1024;

std::string text_of(double value) {
  std::string text = std::to_string(value);
  while (text.size() > 1 && text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

absl::Status outside(const std::string& field, double value, const std::string& bound) {
  return absl::InvalidArgumentError(field + " is " + text_of(value) + ", must be " + bound);
}

// `low_open`: the lower bound itself is refused.
template <class T, class Out>
absl::Status take(const std::string& field, const std::optional<T>& given,
                  const std::optional<Out>& model_default, double low, double high, bool low_open,
                  Out& out) {
  if (!given.has_value()) {
    if (model_default.has_value()) out = *model_default;
    return absl::OkStatus();
  }
  const double value = static_cast<double>(*given);
  const bool above = low_open ? value > low : value >= low;
  if (!(above && value <= high)) {
    return outside(
        field, value,
        std::string("in ") + (low_open ? "(" : "[") + text_of(low) + ", " + text_of(high) + "]");
  }
  out = static_cast<Out>(*given);
  return absl::OkStatus();
}

absl::Status take_bias(const SamplingParams& params, int vocab_size, Sampling& out) {
  if (params.logit_bias.size() > kBiasEntriesMax) {
    return outside("sampling.logit_bias entries", static_cast<double>(params.logit_bias.size()),
                   "at most " + std::to_string(kBiasEntriesMax));
  }
  for (const auto& [id, value] : params.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      return outside("sampling.logit_bias token id", id,
                     "in [0, " + std::to_string(vocab_size - 1) + "]");
    }
    if (!(value >= -100 && value <= 100)) {
      return outside("sampling.logit_bias[" + std::to_string(id) + "]", value, "in [-100, 100]");
    }
    out.bias_ids.push_back(id);
    out.bias_values.push_back(static_cast<float>(value));
  }
  return absl::OkStatus();
}

absl::Status take_count(const std::string& field, const std::optional<int64_t>& given, int& out) {
  if (!given.has_value()) return absl::OkStatus();
  if (*given < 0 || *given > Sample::kMaxLogprobs) {
    return outside(field, static_cast<double>(*given),
                   "in [0, " + std::to_string(Sample::kMaxLogprobs) + "]");
  }
  out = static_cast<int>(*given);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Sampling> resolve_sampling(const SamplingParams& params,
                                          const ResponseParams& response,
                                          const GenerationDefaults& defaults, bool neutral,
                                          int vocab_size, uint64_t drawn_seed) {
  const GenerationDefaults from = neutral ? GenerationDefaults{} : defaults;
  Sampling out;
  std::optional<float> temperature = from.temperature;
  if (from.greedy()) temperature = 0.0f;
  const auto top_k = from.top_k.has_value() ? std::optional<int32_t>(*from.top_k) : std::nullopt;
  absl::Status status =
      take("sampling.temperature", params.temperature, temperature, 0, 100, false, out.temperature);
  status.Update(take("sampling.top_k", params.top_k, top_k, 0, 1 << 30, false, out.top_k));
  status.Update(take("sampling.top_p", params.top_p, from.top_p, 0, 1, true, out.top_p));
  status.Update(take("sampling.min_p", params.min_p, from.min_p, 0, 1, false, out.min_p));
  status.Update(take("sampling.repetition_penalty", params.repetition_penalty,
                     from.repetition_penalty, 0, 100, true, out.repetition_penalty));
  const std::optional<float> none;
  status.Update(take("sampling.presence_penalty", params.presence_penalty, none, -2, 2, false,
                     out.presence_penalty));
  status.Update(take("sampling.frequency_penalty", params.frequency_penalty, none, -2, 2, false,
                     out.frequency_penalty));
  const std::optional<int> one;
  status.Update(take("sampling.n", params.n, one, 1, kOutputsMax, false, out.outputs));
  status.Update(take_bias(params, vocab_size, out));
  status.Update(take_count("response.logprobs", response.logprobs, out.logprobs));
  status.Update(
      take_count("response.prompt_logprobs", response.prompt_logprobs, out.prompt_logprobs));
  if (!status.ok()) return status;
  out.seed = params.seed.value_or(drawn_seed);
  return out;
}

absl::Status validate_stopping(const StoppingParams& stopping, int vocab_size) {
  if (stopping.max_tokens.has_value() && *stopping.max_tokens < 1) {
    return outside("stopping.max_tokens", static_cast<double>(*stopping.max_tokens), "at least 1");
  }
  if (stopping.min_tokens.has_value()) {
    const int64_t high = stopping.max_tokens.value_or(int64_t{1} << 40);
    if (*stopping.min_tokens < 0 || *stopping.min_tokens > high) {
      return outside("stopping.min_tokens", static_cast<double>(*stopping.min_tokens),
                     "in [0, max_tokens]");
    }
  }
  if (stopping.stop.size() > kStopStringsMax) {
    return outside("stopping.stop entries", static_cast<double>(stopping.stop.size()),
                   "at most " + std::to_string(kStopStringsMax));
  }
  for (const std::string& text : stopping.stop) {
    if (text.empty() || text.size() > kStopStringBytesMax) {
      return outside("stopping.stop entry length in bytes", static_cast<double>(text.size()),
                     "in [1, " + std::to_string(kStopStringBytesMax) + "]");
    }
  }
  if (stopping.stop_token_ids.size() > kStopStringsMax) {
    return outside("stopping.stop_token_ids entries",
                   static_cast<double>(stopping.stop_token_ids.size()),
                   "at most " + std::to_string(kStopStringsMax));
  }
  for (int32_t id : stopping.stop_token_ids) {
    if (id < 0 || id >= vocab_size) {
      return outside("stopping.stop_token_ids entry", id,
                     "in [0, " + std::to_string(vocab_size - 1) + "]");
    }
  }
  return absl::OkStatus();
}

SampleRow sample_row_of(const Sampling& sampling, int output_index) {
  SampleRow row{};
  row.top_k = sampling.top_k;
  row.top_p = sampling.top_p;
  row.min_p = sampling.min_p;
  row.temperature = sampling.temperature;
  row.repetition_penalty = sampling.repetition_penalty;
  row.presence_penalty = sampling.presence_penalty;
  row.frequency_penalty = sampling.frequency_penalty;
  row.seed_low = static_cast<uint32_t>(sampling.seed);
  row.seed_high = static_cast<uint32_t>(sampling.seed >> 32);
  row.output_index = output_index;
  row.forced_token = -1;
  row.logprob_count = sampling.logprobs;
  return row;
}

}  // namespace tessera
