// A tesserad of one's own: on free ports of this machine, ended with its owner. Main thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

struct DaemonOptions {
  std::string program;                             // path of tesserad
  std::string model;                               // folder of text that it serves; may be empty
  std::vector<std::string> sets;                   // further settings, "a.b=c"
  std::vector<std::string> diffusion_models = {};  // folders
};

class DaemonProcess {
 public:
  // Returns once the daemon says that it is ready. UNAVAILABLE if it ends before, or does not get
  // ready in 10 minutes; why stands on its standard error, which is the caller's too.
  static absl::StatusOr<std::unique_ptr<DaemonProcess>> start(const DaemonOptions& options);
  ~DaemonProcess();  // SIGTERM, then waits
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  pid_t id() const { return process_; }
  const std::string& grpc_address() const { return grpc_address_; }
  const std::string& metrics_address() const { return metrics_address_; }

 private:
  DaemonProcess() = default;
  absl::Status wait_until_ready();

  pid_t process_ = -1;
  std::string grpc_address_, metrics_address_;
};

}  // namespace tessera
