#include "engine/run/hand_off.h"

namespace tessera {

EnginePair::EnginePair(std::unique_ptr<TextEngine> prefill, std::unique_ptr<TextEngine> decode,
                       int64_t threshold_tokens)
    : threshold_tokens_(threshold_tokens),
      decode_(std::move(decode)),
      prefill_(std::move(prefill)) {
  prefill_->hand_off_to(*decode_);
}

EnginePair::~EnginePair() { prefill_.reset(); }

absl::Status EnginePair::submit(TextRequest request, std::shared_ptr<EventSink> sink) {
  absl::StatusOr<std::unique_ptr<LiveRequest>> live = decode_->accept(std::move(request));
  if (!live.ok()) return live.status();
  const RequestId& id = (*live)->request.id;
  const bool goes_over =
      (*live)->usage.prompt_tokens >= threshold_tokens_ && (*live)->outputs.size() == 1;
  TextEngine& first = goes_over ? *prefill_ : *decode_;
  const TextEngine& other = goes_over ? *decode_ : *prefill_;
  if (other.holds(id)) {
    return absl::AlreadyExistsError("request_id \"" + id + "\" is already in use");
  }
  return first.enqueue(*std::move(live), std::move(sink));
}

absl::Status EnginePair::cancel(const RequestId& id) {
  // A request on its way is known to both; the receiver's cancel waits for it.
  const absl::Status in_prefill = prefill_->cancel(id);
  const absl::Status in_decode = decode_->cancel(id);
  return in_decode.ok() ? in_decode : in_prefill;
}

void EnginePair::drain(std::chrono::steady_clock::time_point deadline) {
  prefill_->drain(deadline);
  decode_->drain(deadline);
}

EngineLoad EnginePair::load() const {
  EngineLoad sum = decode_->load();
  const EngineLoad more = prefill_->load();
  sum.running += more.running;
  sum.waiting += more.waiting;
  sum.waiting_prompt_tokens += more.waiting_prompt_tokens;
  sum.blocks_used += more.blocks_used;
  sum.blocks_total += more.blocks_total;
  sum.state_slots_used += more.state_slots_used;
  sum.state_slots_total += more.state_slots_total;
  return sum;
}

absl::Status EnginePair::health() const {
  absl::Status status = prefill_->health();
  status.Update(decode_->health());
  return status;
}

std::string EnginePair::describe() const {
  return "prefill engine: " + prefill_->describe() + "\ndecode engine: " + decode_->describe();
}

}  // namespace tessera
