// The gRPC face of the daemon: listener, generation, health, reflection. It answers health checks
// from the moment it starts and requests from open() to close(). No gRPC header is needed to use
// it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/config/config.h"
#include "server/grpc/engines.h"
#include "server/lifecycle/service.h"

namespace tessera {

class Frontend final : public Service {
 public:
  // `on_refused` hears the model (empty where none was found) and the code of each request that no
  // engine accepted, on any thread; may be empty.
  Frontend(const ServerConfig& config,
           std::function<void(const std::string&, absl::StatusCode)> on_refused);
  ~Frontend() override;

  std::string name() const override { return "grpc"; }
  // Listens; the address in use, or not this machine's, is said in one sentence.
  absl::Status start() override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  void stop() override;

  // All below: after start(), any thread.
  int port() const;  // the one that was bound
  // Ready: requests go to the engines, health says so.
  void open(const Engines& engines);
  // Not ready any more: health says so, new requests get UNAVAILABLE with `why`; live ones go on.
  void close(const std::string& why);
  // Closes and waits until no stream uses an engine; drops what is left at `deadline`.
  void detach(std::chrono::steady_clock::time_point deadline);
  // `ready` is "" and every service; `live` is the process and its engines.
  void set_ready(bool ready);
  void set_live(bool live);
  size_t live_streams() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tessera
