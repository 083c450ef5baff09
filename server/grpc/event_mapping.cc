#include "server/grpc/event_mapping.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/grpc/status_mapping.h"

namespace tessera {
namespace {

void map_token(const TokenInfo& token, v1::TokenInfo& out) {
  out.set_id(token.id);
  out.set_text(token.text);
  if (token.logprob) out.set_logprob(*token.logprob);
  if (token.rank > 0) out.set_rank(token.rank);
  for (const TokenAlternative& alternative : token.alternatives) {
    v1::TokenAlternative& wire = *out.add_alternatives();
    wire.set_id(alternative.id);
    wire.set_text(alternative.text);
    wire.set_logprob(alternative.logprob);
  }
}

// Adds tokens from `first` until the message is full; returns how many.
template <class AddToken>
size_t add_tokens(const std::vector<TokenInfo>& tokens, size_t first, size_t room, AddToken add) {
  size_t count = 0;
  for (size_t bytes = 0; first + count < tokens.size() && bytes < room; ++count) {
    v1::TokenInfo& wire = add();
    map_token(tokens[first + count], wire);
    bytes += wire.ByteSizeLong() + 8;
  }
  return count;
}

// Bytes of text from `first`, at most `room`, that end between code points.
size_t whole_text(const std::string& text, size_t first, size_t room) {
  size_t end = std::min(text.size(), first + room);
  if (end == text.size()) return end - first;
  const size_t widest = end;
  while (end > first && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return (end > first ? end : widest) - first;
}

void map_usage(const Usage& usage, v1::TextUsage& out) {
  out.set_prompt_tokens(usage.prompt_tokens);
  out.set_completion_tokens(usage.completion_tokens);
  out.set_cached_prompt_tokens(usage.cached_prompt_tokens);
  out.set_draft_tokens(usage.draft_tokens);
  out.set_accepted_draft_tokens(usage.accepted_draft_tokens);
}

void map_finished(const Finished& finished, v1::TextFinished& out) {
  out.set_output_index(finished.output_index);
  switch (finished.reason) {
    case FinishReason::kStop:
      out.set_reason(v1::FINISH_REASON_STOP);
      break;
    case FinishReason::kLength:
      out.set_reason(v1::FINISH_REASON_LENGTH);
      break;
    case FinishReason::kCancelled:
      out.set_reason(v1::FINISH_REASON_CANCELLED);
      break;
  }
  if (finished.stop_text) out.set_stop_text(*finished.stop_text);
  if (finished.stop_token_id) out.set_stop_token_id(*finished.stop_token_id);
  if (finished.end_token_id) out.set_end_token_id(*finished.end_token_id);
}

void map_completed(const Completed& completed, v1::TextCompleted& out) {
  map_usage(completed.usage, *out.mutable_usage());
  v1::Timings& timings = *out.mutable_timings();
  timings.set_queue_seconds(completed.timings.queue_seconds);
  timings.set_first_token_seconds(completed.timings.first_token_seconds);
  timings.set_total_seconds(completed.timings.total_seconds);
  timings.set_preemptions(completed.timings.preemptions);
}

void map_failed(const Failed& failed, v1::Failed& out) {
  out.set_code(static_cast<int>(failed.status.code()));
  out.set_message(sendable_message(failed.status.message()));
  map_usage(failed.usage, *out.mutable_usage());
}

}  // namespace

void WireEvents::load(Event event) {
  event_ = std::move(event);
  tokens_sent_ = text_sent_ = 0;
}

void WireEvents::next(v1::GenerateTextEvent& out) {
  out.Clear();
  out.set_request_id(id_);
  if (auto* prompt = std::get_if<PromptProcessed>(&*event_))
    return next_prompt(*prompt, *out.mutable_prompt());
  if (auto* delta = std::get_if<Delta>(&*event_)) return next_delta(*delta, *out.mutable_delta());
  if (auto* finished = std::get_if<Finished>(&*event_)) {
    map_finished(*finished, *out.mutable_finished());
  } else if (auto* completed = std::get_if<Completed>(&*event_)) {
    map_completed(*completed, *out.mutable_completed());
  } else {
    map_failed(std::get<Failed>(*event_), *out.mutable_failed());
  }
  event_.reset();
}

void WireEvents::next_prompt(PromptProcessed& prompt, v1::PromptProcessed& out) {
  out.set_prompt_tokens(prompt.prompt_tokens);
  out.set_cached_tokens(prompt.cached_tokens);
  if (!prompt.prompt_logprobs.empty()) out.set_logprobs_begin(tokens_sent_);
  tokens_sent_ += add_tokens(prompt.prompt_logprobs, tokens_sent_, kCutBytes,
                             [&]() -> v1::TokenInfo& { return *out.add_prompt_logprobs(); });
  if (tokens_sent_ == prompt.prompt_logprobs.size()) event_.reset();
}

// Text first; whatever comes in a later part repeats neither text nor count.
void WireEvents::next_delta(Delta& delta, v1::TextDelta& out) {
  out.set_output_index(delta.output_index);
  const bool first = text_sent_ == 0 && tokens_sent_ == 0;
  out.set_token_count(first ? delta.token_count : 0);
  const size_t length = whole_text(delta.text, text_sent_, kCutBytes);
  out.set_text(delta.text.substr(text_sent_, length));
  text_sent_ += length;
  if (text_sent_ == delta.text.size())
    tokens_sent_ += add_tokens(delta.tokens, tokens_sent_, kCutBytes - length,
                               [&]() -> v1::TokenInfo& { return *out.add_tokens(); });
  if (text_sent_ == delta.text.size() && tokens_sent_ == delta.tokens.size()) event_.reset();
}

}  // namespace tessera
