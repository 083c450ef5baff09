// One call whose answer is a stream: takes the engine's events, joins what waits while the client
// is slow, and writes them out; turns the client's cancel, silence and deadline into the engine's
// cancel. Owned by the pump while gRPC knows it, and by the engine as the request's sink. `Call`
// (text_call.h, denoise_call.h) says which engine, events and messages.
//
// Life: pending (being admitted) -> open (events flow) -> closed (the last write or a status is
// under way) -> done. gRPC allows one write at a time and no status while one is under way;
// `writing_` is the claim to both, and to everything that builds a message.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/grpc/denoise_call.h"
#include "server/grpc/engines.h"
#include "server/grpc/stream_pump.h"
#include "server/grpc/text_call.h"

namespace tessera {

// What all streams of a service share; outlives them.
struct StreamSettings {
  size_t buffer_bytes = 0;
  bool log_requests = false;
  // The model's name, where the request came that far. May be empty.
  std::function<void(const std::string&, absl::StatusCode)> on_refused;
};

template <class Call>
class CallStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                         public Call::Sink,
                         public PumpedStream,
                         public std::enable_shared_from_this<CallStream<Call>> {
 public:
  // From the bytes of a request.
  using Read = std::function<absl::StatusOr<typename Call::Request>(const grpc::ByteBuffer&)>;

  CallStream(grpc::CallbackServerContext* context, StreamPump& pump,
             const StreamSettings& settings);

  // Parses and checks the request and gives it to its engine. Admission thread; once, or refuse()
  // once. The engines live until the pump is empty.
  void open(const grpc::ByteBuffer& bytes, const Read& read, const Engines& engines);
  // Ends a call that no engine has accepted.
  void refuse(const absl::Status& status);

  void post(typename Call::Event event) override;  // engine thread

  void advance() override;
  void end_if_stalled(std::chrono::steady_clock::time_point limit) override;
  void abort() override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Phase { kPending, kOpen, kClosed, kDone };

  absl::Status submit(const grpc::ByteBuffer& bytes, const Read& read, const Engines& engines);
  bool claim_next_message();
  void serialize();
  void end_cancelled();
  void cancel_engine();
  void log_end(const typename Call::Event& last) const;

  grpc::CallbackServerContext* const context_;
  StreamPump& pump_;
  const StreamSettings& settings_;
  typename Call::Engine* engine_ = nullptr;
  RequestId id_;
  typename Call::WireEvent message_;                 // with the claim
  grpc::ByteBuffer outgoing_;                        // with the claim, and gRPC's during a write
  std::optional<typename Call::Messages> messages_;  // with the claim
  std::optional<grpc::Status> result_;               // with the claim: the loaded event is the last

  std::mutex mutex_;
  Phase phase_ = Phase::kPending;
  typename Call::Buffer buffer_;
  bool accept_unsent_ = true;  // message_ holds the accepted event
  bool writing_ = false;
  bool cancelled_ = false;      // the client is gone
  bool ended_ = false;          // the last event is in the buffer or was
  bool cancel_wanted_ = false;  // the engine should be told, by the pump
  bool engine_done_ = false;    // the engine has ended the request or was told to
  std::chrono::steady_clock::time_point write_started_;
};

extern template class CallStream<TextCall>;
extern template class CallStream<DenoiseCall>;

}  // namespace tessera
