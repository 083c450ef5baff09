// KV transfers of the text engine: the sending and the receiving half of a hand-off.
#include "engine/run/text_engine.h"

namespace tessera {
namespace {

// Pages of `table` that hold positions below `committed` and are still held.
std::vector<int32_t> live_pages(const BlockTable& table, int64_t committed) {
  std::vector<int32_t> pages;
  for (int64_t page = 0; page < std::min(pages_for(committed), table.pages()); ++page) {
    if (table.blocks[page] != kNoBlock) pages.push_back(table.blocks[page]);
  }
  return pages;
}

}  // namespace

void TextEngine::hand_off_to(TextEngine& receiver) {
  const std::lock_guard<std::mutex> lock(mutex_);
  receiver_ = &receiver;
}

bool TextEngine::holds(const RequestId& id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ids_.contains(id);
}

bool TextEngine::ready_to_leave(const Grant& grant, const Output& output) const {
  return receiver_ != nullptr && grant.kind == RowKind::kPrompt && grant.samples &&
         !output.finished.has_value() && output.request->outputs.size() == 1 &&
         output.request->failure.ok();
}

// Pages both engines keep are the same, because the groups are: what the sender has freed out of a
// window the receiver never asks for.
std::vector<std::byte> TextEngine::export_layer(RankWorker& worker, int layer,
                                                const Sequence& seq) const {
  const int group = parts_.group_of_layer[layer];
  if (group < 0) return worker.export_state(layer, seq.slots.current);
  return worker.export_pages(layer, live_pages(seq.tables[group], seq.committed_len));
}

void TextEngine::import_layer(RankWorker& worker, int layer, const Sequence& seq,
                              std::span<const std::byte> bytes) const {
  const int group = parts_.group_of_layer[layer];
  if (group < 0) return worker.import_state(layer, seq.slots.current, bytes);
  worker.import_pages(layer, live_pages(seq.tables[group], seq.committed_len), bytes);
}

void TextEngine::send(Output& output) {
  const Sequence& seq = ledger_.at(output.sequence);
  HandOff parcel;
  parcel.spec = seq.spec;
  parcel.emitted.assign(seq.tokens.begin() + seq.prompt_len, seq.tokens.end());
  for (const std::unique_ptr<RankWorker>& worker : parts_.workers) {
    std::vector<std::vector<std::byte>>& layers = parcel.kv.emplace_back();
    for (size_t layer = 0; layer < parts_.group_of_layer.size(); ++layer) {
      layers.push_back(export_layer(*worker, static_cast<int>(layer), seq));
    }
  }
  LiveRequest& live = *output.request;
  const auto found = live_.find(live.request.id);
  parcel.live = std::move(found->second);
  live_.erase(found);
  std::vector<SequenceId> released;
  if (ledger_.cancel(output.sequence)) released.push_back(output.sequence);
  CHECK(!released.empty());  // one output, nothing of it in flight
  forget(released);
  const RequestId id = live.request.id;
  receiver_->receive(std::move(parcel));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ids_.erase(id);
    --open_requests_;
  }
  changed_.notify_all();
}

// Called on the sender's engine thread.
void TextEngine::receive(HandOff parcel) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ids_.insert(parcel.live->request.id);
    ++open_requests_;
    arrivals_.push_back(std::move(parcel));
  }
  changed_.notify_all();
}

void TextEngine::unpack_parcels() {
  while (!parcels_.empty() && unpack(parcels_.front())) parcels_.pop_front();
}

// Takes a request over only to end it.
void TextEngine::adopt(std::unique_ptr<LiveRequest> live, absl::Status status) {
  LiveRequest& taken = *live;
  taken.outputs[0]->sequence = kNoSequence;
  live_.emplace(taken.request.id, std::move(live));
  fail(taken, std::move(status));
  forget({});
}

// False when there is no room yet.
bool TextEngine::unpack(HandOff& parcel) {
  set_times(*parcel.live, parcel.spec);
  if (parcel.spec.deadline_seconds <= now_seconds()) {
    adopt(std::move(parcel.live), absl::DeadlineExceededError("the request's deadline passed"));
    return true;
  }
  Output& output = *parcel.live->outputs[0];
  parcel.spec.id = next_sequence_;
  if (!ledger_.admit_prefilled(parcel.spec, parcel.emitted, parts_.limits.seqs_max)) {
    // Nothing here that could ever make room for it.
    if (!ledger_.idle()) return false;
    adopt(std::move(parcel.live),
          absl::ResourceExhaustedError("the decode engine's KV cache cannot hold this request"));
    return true;
  }
  output.sequence = next_sequence_++;
  LiveRequest& live = *parcel.live;
  live_.emplace(live.request.id, std::move(parcel.live));
  by_sequence_[output.sequence] = &output;
  live.sequences_held = 1;
  const Sequence& seq = ledger_.at(output.sequence);
  for (size_t rank = 0; rank < parts_.workers.size(); ++rank) {
    for (size_t layer = 0; layer < parts_.group_of_layer.size(); ++layer) {
      import_layer(*parts_.workers[rank], static_cast<int>(layer), seq, parcel.kv[rank][layer]);
    }
  }
  if (ledger_.unpin(output.sequence)) forget({output.sequence});
  return true;
}

}  // namespace tessera
