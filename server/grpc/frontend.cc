#include "server/grpc/frontend.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/server_builder.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>

#include "server/grpc/generation_service.h"
#include "server/grpc/health_service.h"
#include "server/lifecycle/listen.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMessageBytesMax = 1 << 20;  // of events, and of requests without tensors
constexpr int kKeepaliveMs = 60'000, kKeepaliveTimeoutMs = 20'000, kPingIntervalMinMs = 10'000;
constexpr int kStreamsPerConnectionMax = 1024;
constexpr std::chrono::seconds kFlushTime{2};  // for the last bytes of calls that have ended

// The libraries' own diagnostics are for developers, and clients can cause them at will; ours for
// the operator come from the status codes.
void log_grpc(gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); }
void log_protobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

void set_up_grpc_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(log_grpc);
    google::protobuf::SetLogHandler(log_protobuf);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

struct Frontend::Parts {
  std::string address;
  int request_bytes_max;
  GenerationService generation;
  HealthService health;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

Frontend::Frontend(const ServerConfig& config,
                   std::function<void(const std::string&, absl::StatusCode)> on_refused)
    : parts_(new Parts{.address = config.grpc_address,
                       .request_bytes_max = config.diffusion_models.empty()
                                                ? kMessageBytesMax
                                                : static_cast<int>(config.request_bytes_max),
                       .generation{config, std::move(on_refused)},
                       .health{},
                       .server = nullptr}) {}

Frontend::~Frontend() { stop(); }

absl::Status Frontend::start() {
  set_up_grpc_once();
  set_ready(false);
  set_live(true);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(parts_->request_bytes_max);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  // Otherwise two daemons could share a port, and each would get some of the requests.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  // Finds clients whose machine has gone without a word.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMinMs);
  builder.AddListeningPort(parts_->address, grpc::InsecureServerCredentials(), &parts_->port);
  builder.RegisterService(&parts_->generation);
  builder.RegisterService(&parts_->health);
  parts_->server = builder.BuildAndStart();
  if (parts_->server == nullptr || parts_->port == 0) {
    return listen_error("server.grpc_address", parts_->address);
  }
  return absl::OkStatus();
}

void Frontend::drain(Clock::time_point) { close("the server is shutting down"); }

void Frontend::stop() {
  if (parts_->server == nullptr) return;
  detach(Clock::now());
  set_ready(false);
  set_live(false);
  parts_->health.end_watches();
  parts_->server->Shutdown(std::chrono::system_clock::now() + kFlushTime);
  parts_->server = nullptr;
}

int Frontend::port() const { return parts_->port; }

void Frontend::open(const Engines& engines) {
  parts_->generation.open(engines);
  set_ready(true);
}

void Frontend::close(const std::string& why) {
  set_ready(false);
  parts_->generation.close(why);
}

void Frontend::detach(Clock::time_point deadline) {
  set_ready(false);
  parts_->generation.detach(deadline);
}

void Frontend::set_ready(bool ready) {
  for (const char* name : {"", "tessera.v1.Generation"}) parts_->health.set(name, ready);
}

void Frontend::set_live(bool live) { parts_->health.set("live", live); }

size_t Frontend::live_streams() const { return parts_->generation.live_streams(); }

}  // namespace tessera
