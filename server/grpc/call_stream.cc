#include "server/grpc/call_stream.h"

#include <grpc/support/log.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <spdlog/spdlog.h>

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/grpc/status_mapping.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t random_bits() {
  thread_local std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::optional<Clock::time_point> steady_deadline(std::chrono::system_clock::time_point deadline) {
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return std::nullopt;
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(left);
}

}  // namespace

template <class Call>
CallStream<Call>::CallStream(grpc::CallbackServerContext* context, StreamPump& pump,
                             const StreamSettings& settings)
    : context_(context), pump_(pump), settings_(settings), buffer_(settings.buffer_bytes) {}

template <class Call>
absl::Status CallStream<Call>::submit(const grpc::ByteBuffer& bytes, const Read& read,
                                      const Engines& engines) {
  absl::StatusOr<typename Call::Request> request = read(bytes);
  if (!request.ok()) return request.status();
  absl::StatusOr<typename Call::Engine*> engine = Call::route(engines, *request);
  if (!engine.ok()) return engine.status();
  engine_ = *engine;
  auto& core = Call::core(*request);
  std::optional<uint64_t>& seed = Call::seed(*request);
  if (core.id.empty()) core.id = absl::StrFormat("req-%016x", random_bits());
  if (!seed) seed = random_bits();
  core.deadline = steady_deadline(context_->deadline());
  id_ = core.id;
  messages_.emplace(Call::messages(*request));
  message_.set_request_id(id_);
  message_.mutable_accepted()->set_model(engine_->model().name);
  message_.mutable_accepted()->set_seed(*seed);
  return Call::in_words_of_the_wire(engine_->submit(std::move(core), this->shared_from_this()));
}

template <class Call>
void CallStream<Call>::open(const grpc::ByteBuffer& bytes, const Read& read,
                            const Engines& engines) {
  bool gone;
  {
    std::lock_guard lock(mutex_);
    gone = cancelled_;
  }
  // A client that left while its request waited here costs the engine nothing.
  const absl::Status status =
      gone ? absl::CancelledError("cancelled") : submit(bytes, read, engines);
  if (!status.ok()) return refuse(status);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kOpen;
    gone = cancelled_;
  }
  if (gone) return end_cancelled();
  advance();
}

template <class Call>
void CallStream<Call>::refuse(const absl::Status& status) {
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kClosed;
  }
  if (settings_.on_refused)
    settings_.on_refused(engine_ == nullptr ? "" : engine_->model().name, status.code());
  if (settings_.log_requests)
    spdlog::info("request {} refused: {}", id_, absl::StatusCodeToString(status.code()));
  Finish(to_grpc_status(status));
}

template <class Call>
void CallStream<Call>::post(typename Call::Event event) {
  {
    std::lock_guard lock(mutex_);
    const bool last = Call::is_last(event);
    engine_done_ = engine_done_ || last;
    if (ended_ || phase_ == Phase::kClosed || phase_ == Phase::kDone) return;
    ended_ = last;
    if (!buffer_.push(std::move(event))) {
      buffer_.clear();
      buffer_.push(Call::failed(absl::ResourceExhaustedError(
          absl::StrCat("the client reads too slowly: more than ", settings_.buffer_bytes,
                       " bytes wait for it (limits.stream_buffer_bytes)"))));
      ended_ = true;
      // The engine may not be called from inside its own call.
      cancel_wanted_ = true;
    }
  }
  pump_.wake(this->shared_from_this());
}

// Takes the claim if there is something to write, and loads it.
template <class Call>
bool CallStream<Call>::claim_next_message() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kOpen || writing_) return false;
  if (!accept_unsent_ && messages_->done()) {
    std::optional<typename Call::Event> event = buffer_.pop();
    if (!event) return false;
    if (Call::is_last(*event)) {
      const absl::Status* failure = Call::failure(*event);
      result_ = failure == nullptr ? grpc::Status::OK : to_grpc_status(*failure);
      if (settings_.log_requests) log_end(*event);
    }
    messages_->load(*std::move(event));
  }
  writing_ = true;
  write_started_ = Clock::now();
  return true;
}

template <class Call>
void CallStream<Call>::advance() {
  bool tells_engine;
  {
    std::lock_guard lock(mutex_);
    tells_engine = std::exchange(cancel_wanted_, false);
  }
  if (tells_engine) cancel_engine();
  if (!claim_next_message()) return;
  const bool accepts = std::exchange(accept_unsent_, false);
  if (!accepts) messages_->next(message_);
  serialize();
  if (accepts || !result_ || !messages_->done()) return StartWrite(&outgoing_);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kClosed;
  }
  StartWriteAndFinish(&outgoing_, grpc::WriteOptions(), *result_);
}

template <class Call>
void CallStream<Call>::serialize() {
  outgoing_.Clear();
  bool owned = false;
  const grpc::Status status =
      grpc::SerializationTraits<typename Call::WireEvent>::Serialize(message_, &outgoing_, &owned);
  GPR_ASSERT(status.ok());  // the message is ours
}

template <class Call>
void CallStream<Call>::OnWriteDone(bool ok) {
  bool gone;
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
    gone = cancelled_;
  }
  if (gone) return end_cancelled();
  if (Call::kBuildsOnPump) return pump_.wake(this->shared_from_this());
  advance();
}

template <class Call>
void CallStream<Call>::OnCancel() {
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    // Whoever admits or writes at the moment sees the mark when it is through.
    if (phase_ != Phase::kOpen) return;
  }
  end_cancelled();
}

// The client is gone: the engine stops now; the status goes nowhere but ends the call. With a write
// under way the status waits for OnWriteDone, which comes at once on a cancelled call.
template <class Call>
void CallStream<Call>::end_cancelled() {
  cancel_engine();
  {
    std::lock_guard lock(mutex_);
    if (phase_ != Phase::kOpen || writing_) return;
    phase_ = Phase::kClosed;
    buffer_.clear();
  }
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled by the client"));
}

// At most once, and not after the engine's last event: by then the id may be another request's.
template <class Call>
void CallStream<Call>::cancel_engine() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(engine_done_, true)) return;
  }
  engine_->cancel(id_).IgnoreError();
}

template <class Call>
void CallStream<Call>::end_if_stalled(Clock::time_point limit) {
  std::lock_guard lock(mutex_);
  const bool waits = (phase_ == Phase::kOpen && writing_) || (phase_ == Phase::kClosed && result_);
  if (!waits || write_started_ > limit) return;
  spdlog::warn("request {}: its client reads nothing; dropped (limits.stall_seconds)", id_);
  write_started_ = Clock::now();
  context_->TryCancel();
}

template <class Call>
void CallStream<Call>::abort() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kDone) context_->TryCancel();
}

template <class Call>
void CallStream<Call>::OnDone() {
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kDone;
  }
  pump_.remove(this);
}

template <class Call>
void CallStream<Call>::log_end(const typename Call::Event& last) const {
  if (const absl::Status* failure = Call::failure(last)) {
    spdlog::info("request {} failed: {}", id_, absl::StatusCodeToString(failure->code()));
  } else {
    spdlog::info("request {} completed: {}", id_, Call::summary(last));
  }
}

template class CallStream<TextCall>;
template class CallStream<DenoiseCall>;

}  // namespace tessera
