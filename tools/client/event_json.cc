#include "tools/client/event_json.h"

#include <nlohmann/json.hpp>

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

void put_bytes(Json& out, const std::string& text) {
  // dump() refuses what is not UTF-8; that is the cheapest strict test there is here.
  try {
    (void)Json(text).dump();
    out["text"] = text;
  } catch (const Json::exception&) {
    out["bytes"] = Json::array();
    for (const char c : text) out["bytes"].push_back(static_cast<unsigned char>(c));
  }
}

Json token_json(const v1::TokenInfo& token) {
  Json out{{"id", token.id()}};
  put_bytes(out, token.text());
  if (token.has_logprob()) out["logprob"] = token.logprob();
  if (token.has_rank()) out["rank"] = token.rank();
  for (const v1::TokenAlternative& alternative : token.alternatives()) {
    Json other{{"id", alternative.id()}};
    put_bytes(other, alternative.text());
    other["logprob"] = alternative.logprob();
    out["alternatives"].push_back(std::move(other));
  }
  return out;
}

void put_usage(Json& out, const v1::TextUsage& usage) {
  out["usage"] = {{"prompt_tokens", usage.prompt_tokens()},
                  {"completion_tokens", usage.completion_tokens()},
                  {"cached_prompt_tokens", usage.cached_prompt_tokens()},
                  {"draft_tokens", usage.draft_tokens()},
                  {"accepted_draft_tokens", usage.accepted_draft_tokens()}};
}

void put_finished(Json& out, const v1::TextFinished& finished) {
  out["output_index"] = finished.output_index();
  switch (finished.reason()) {
    case v1::FINISH_REASON_STOP:
      out["reason"] = "stop";
      break;
    case v1::FINISH_REASON_LENGTH:
      out["reason"] = "length";
      break;
    case v1::FINISH_REASON_CANCELLED:
      out["reason"] = "cancelled";
      break;
    default:
      out["reason"] = "unknown";
  }
  if (finished.has_stop_text()) out["stop_text"] = finished.stop_text();
  if (finished.has_stop_token_id()) out["stop_token_id"] = finished.stop_token_id();
  if (finished.has_end_token_id()) out["end_token_id"] = finished.end_token_id();
}

void put_completed(Json& out, const v1::TextCompleted& completed) {
  put_usage(out, completed.usage());
  out["timings"] = {{"queue_seconds", completed.timings().queue_seconds()},
                    {"first_token_seconds", completed.timings().first_token_seconds()},
                    {"total_seconds", completed.timings().total_seconds()},
                    {"preemptions", completed.timings().preemptions()}};
}

}  // namespace

std::string event_json(const v1::GenerateTextEvent& event) {
  Json out{{"event", ""}, {"request_id", event.request_id()}};
  switch (event.event_case()) {
    case v1::GenerateTextEvent::kAccepted:
      out["event"] = "accepted";
      out["model"] = event.accepted().model();
      out["seed"] = event.accepted().seed();
      break;
    case v1::GenerateTextEvent::kPrompt:
      out["event"] = "prompt";
      out["prompt_tokens"] = event.prompt().prompt_tokens();
      out["cached_tokens"] = event.prompt().cached_tokens();
      if (event.prompt().has_logprobs_begin())
        out["logprobs_begin"] = event.prompt().logprobs_begin();
      for (const auto& token : event.prompt().prompt_logprobs())
        out["prompt_logprobs"].push_back(token_json(token));
      break;
    case v1::GenerateTextEvent::kDelta:
      out["event"] = "delta";
      out["output_index"] = event.delta().output_index();
      out["text"] = event.delta().text();
      out["token_count"] = event.delta().token_count();
      for (const auto& token : event.delta().tokens()) out["tokens"].push_back(token_json(token));
      break;
    case v1::GenerateTextEvent::kFinished:
      out["event"] = "finished";
      put_finished(out, event.finished());
      break;
    case v1::GenerateTextEvent::kCompleted:
      out["event"] = "completed";
      put_completed(out, event.completed());
      break;
    case v1::GenerateTextEvent::kFailed:
      out["event"] = "failed";
      out["code"] = event.failed().code();
      out["message"] = event.failed().message();
      put_usage(out, event.failed().usage());
      break;
    case v1::GenerateTextEvent::EVENT_NOT_SET:
      out["event"] = "unknown";
      break;
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera
