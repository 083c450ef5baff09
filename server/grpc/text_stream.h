// One GenerateText call: takes the engine's events, joins them while the client is slow, and writes
// them out; turns the client's cancel, silence and deadline into the engine's cancel. Owned by the
// pump while gRPC knows it, and by the engine as the request's sink.
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
#include "engine/api/event.h"
#include "engine/run/engine.h"
#include "server/grpc/event_buffer.h"
#include "server/grpc/event_mapping.h"
#include "server/grpc/stream_pump.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// What all streams of a service share; outlives them.
struct StreamSettings {
  size_t buffer_bytes = 0;
  bool log_requests = false;
  std::function<void(absl::StatusCode)> on_refused;  // may be empty
};

class TextStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                         public EventSink,
                         public PumpedStream,
                         public std::enable_shared_from_this<TextStream> {
 public:
  TextStream(grpc::CallbackServerContext* context, StreamPump& pump,
             const StreamSettings& settings);

  // Parses and checks the request and gives it to the engine. Admission thread; once, or refuse()
  // once. `engine` lives until the pump is empty.
  void open(const grpc::ByteBuffer& wire, Engine& engine);
  // Ends a call that no engine has accepted.
  void refuse(const absl::Status& status);

  void post(Event event) override;  // engine thread

  void advance() override;
  void end_if_stalled(std::chrono::steady_clock::time_point limit) override;
  void abort() override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Phase { kPending, kOpen, kClosed, kDone };

  absl::Status submit(const grpc::ByteBuffer& bytes);
  bool claim_next_message();
  void serialize();
  void end_cancelled();
  void cancel_engine();
  void log_end(const Event& last) const;

  grpc::CallbackServerContext* const context_;
  StreamPump& pump_;
  const StreamSettings& settings_;
  Engine* engine_ = nullptr;
  RequestId id_;
  v1::GenerateTextEvent message_;       // with the claim
  grpc::ByteBuffer outgoing_;           // with the claim, and gRPC's during a write
  std::optional<WireEvents> wire_;      // with the claim
  std::optional<grpc::Status> result_;  // with the claim: the loaded event is the last

  std::mutex mutex_;
  Phase phase_ = Phase::kPending;
  EventBuffer buffer_;
  bool accept_unsent_ = true;  // outgoing_ holds the accepted event
  bool writing_ = false;
  bool cancelled_ = false;      // the client is gone
  bool ended_ = false;          // the last event is in the buffer or was
  bool cancel_wanted_ = false;  // the engine should be told, by the pump
  bool engine_done_ = false;    // the engine has ended the request or was told to
  std::chrono::steady_clock::time_point write_started_;
};

}  // namespace tessera
