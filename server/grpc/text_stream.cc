#include "server/grpc/text_stream.h"

#include <grpc/support/log.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <spdlog/spdlog.h>

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/grpc/request_mapping.h"
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

bool is_last(const Event& event) {
  return std::holds_alternative<Completed>(event) || std::holds_alternative<Failed>(event);
}

}  // namespace

TextStream::TextStream(grpc::CallbackServerContext* context, StreamPump& pump,
                       const StreamSettings& settings)
    : context_(context), pump_(pump), settings_(settings), buffer_(settings.buffer_bytes) {}

absl::Status TextStream::submit(const grpc::ByteBuffer& bytes) {
  v1::GenerateTextRequest wire;
  grpc::ByteBuffer readable(bytes);  // shares the bytes; reading consumes the handle
  if (!grpc::SerializationTraits<v1::GenerateTextRequest>::Deserialize(&readable, &wire).ok())
    return absl::InvalidArgumentError(
        "the request cannot be read: its bytes are damaged, or a text in it is not UTF-8");
  absl::StatusOr<TextRequest> request = to_text_request(wire);
  if (!request.ok()) return request.status();
  if (request->id.empty()) request->id = absl::StrFormat("req-%016x", random_bits());
  if (!request->sampling.seed) request->sampling.seed = random_bits();
  request->deadline = steady_deadline(context_->deadline());
  id_ = request->id;
  wire_.emplace(id_);
  message_ = accepted_event(id_, engine_->model().name, *request->sampling.seed);
  return engine_->submit(*std::move(request), shared_from_this());
}

void TextStream::open(const grpc::ByteBuffer& wire, Engine& engine) {
  engine_ = &engine;
  bool gone;
  {
    std::lock_guard lock(mutex_);
    gone = cancelled_;
  }
  // A client that left while its request waited here costs the engine nothing.
  const absl::Status status = gone ? absl::CancelledError("cancelled") : submit(wire);
  if (!status.ok()) return refuse(status);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kOpen;
    gone = cancelled_;
  }
  if (gone) return end_cancelled();
  advance();
}

void TextStream::refuse(const absl::Status& status) {
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kClosed;
  }
  if (settings_.on_refused) settings_.on_refused(status.code());
  if (settings_.log_requests)
    spdlog::info("request {} refused: {}", id_, absl::StatusCodeToString(status.code()));
  Finish(to_grpc_status(status));
}

void TextStream::post(Event event) {
  {
    std::lock_guard lock(mutex_);
    engine_done_ = engine_done_ || is_last(event);
    if (ended_ || phase_ == Phase::kClosed || phase_ == Phase::kDone) return;
    ended_ = is_last(event);
    if (!buffer_.push(std::move(event))) {
      buffer_.clear();
      buffer_.push(Failed{absl::ResourceExhaustedError(absl::StrCat(
                              "the client reads too slowly: more than ", settings_.buffer_bytes,
                              " bytes wait for it (limits.stream_buffer_bytes)")),
                          Usage{}});
      ended_ = true;
      // The engine may not be called from inside its own call.
      cancel_wanted_ = true;
    }
  }
  pump_.wake(shared_from_this());
}

// Takes the claim if there is something to write, and loads it.
bool TextStream::claim_next_message() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kOpen || writing_) return false;
  if (!accept_unsent_ && wire_->done()) {
    std::optional<Event> event = buffer_.pop();
    if (!event) return false;
    if (is_last(*event)) {
      const Failed* failed = std::get_if<Failed>(&*event);
      result_ = failed == nullptr ? grpc::Status::OK : to_grpc_status(failed->status);
      if (settings_.log_requests) log_end(*event);
    }
    wire_->load(*std::move(event));
  }
  writing_ = true;
  write_started_ = Clock::now();
  return true;
}

void TextStream::advance() {
  bool tells_engine;
  {
    std::lock_guard lock(mutex_);
    tells_engine = std::exchange(cancel_wanted_, false);
  }
  if (tells_engine) cancel_engine();
  if (!claim_next_message()) return;
  const bool accepts = std::exchange(accept_unsent_, false);
  if (!accepts) wire_->next(message_);
  serialize();
  if (accepts || !result_ || !wire_->done()) return StartWrite(&outgoing_);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kClosed;
  }
  StartWriteAndFinish(&outgoing_, grpc::WriteOptions(), *result_);
}

void TextStream::serialize() {
  outgoing_.Clear();
  bool owned = false;
  const grpc::Status status =
      grpc::SerializationTraits<v1::GenerateTextEvent>::Serialize(message_, &outgoing_, &owned);
  GPR_ASSERT(status.ok());  // the message is ours
}

void TextStream::OnWriteDone(bool ok) {
  bool gone;
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
    gone = cancelled_;
  }
  if (gone) return end_cancelled();
  advance();
}

void TextStream::OnCancel() {
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
void TextStream::end_cancelled() {
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
void TextStream::cancel_engine() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(engine_done_, true)) return;
  }
  engine_->cancel(id_).IgnoreError();
}

void TextStream::end_if_stalled(Clock::time_point limit) {
  std::lock_guard lock(mutex_);
  const bool waits = (phase_ == Phase::kOpen && writing_) || (phase_ == Phase::kClosed && result_);
  if (!waits || write_started_ > limit) return;
  spdlog::warn("request {}: its client reads nothing; dropped (limits.stall_seconds)", id_);
  write_started_ = Clock::now();
  context_->TryCancel();
}

void TextStream::abort() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kDone) context_->TryCancel();
}

void TextStream::OnDone() {
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kDone;
  }
  pump_.remove(this);
}

void TextStream::log_end(const Event& last) const {
  if (const Completed* completed = std::get_if<Completed>(&last)) {
    spdlog::info(
        "request {} completed: {} prompt and {} output tokens, first after {:.3f} s, all {:.3f} s",
        id_, completed->usage.prompt_tokens, completed->usage.completion_tokens,
        completed->timings.first_token_seconds, completed->timings.total_seconds);
  } else {
    spdlog::info("request {} failed: {}", id_,
                 absl::StatusCodeToString(std::get<Failed>(last).status.code()));
  }
}

}  // namespace tessera
