#include "tools/bench/daemon/daemon_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tools/client/connection.h"

namespace tessera {
namespace {

constexpr std::chrono::minutes kStartTime{10};
constexpr std::chrono::milliseconds kPoll{200};

// "127.0.0.1:PORT" with a port that nobody listens on now; empty if there is none.
std::string free_address() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = probe >= 0 && bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (probe >= 0) close(probe);
  return bound ? "127.0.0.1:" + std::to_string(ntohs(address.sin_port)) : "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<DaemonProcess>> DaemonProcess::start(const DaemonOptions& options) {
  std::unique_ptr<DaemonProcess> daemon(new DaemonProcess);
  daemon->grpc_address_ = free_address();
  daemon->metrics_address_ = free_address();
  std::vector<std::string> words = {options.program};
  if (!options.model.empty()) words.insert(words.end(), {"--model", options.model});
  for (const std::string& folder : options.diffusion_models) {
    words.insert(words.end(), {"--diffusion-model", folder});
  }
  std::vector<std::string> sets = {"server.grpc_address=" + daemon->grpc_address_,
                                   "server.metrics_address=" + daemon->metrics_address_,
                                   "logging.level=warn"};
  sets.insert(sets.end(), options.sets.begin(), options.sets.end());
  for (const std::string& set : sets) {
    words.push_back("--set");
    words.push_back(set);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  daemon->process_ = fork();
  if (daemon->process_ == 0) {
    // Other threads may exist here, so the child may only make system calls.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execv(arguments.front(), arguments.data());
    _exit(127);
  }
  if (daemon->process_ < 0) return absl::UnavailableError("cannot start a process");
  if (absl::Status ready = daemon->wait_until_ready(); !ready.ok()) return ready;
  return daemon;
}

absl::Status DaemonProcess::wait_until_ready() {
  Connection connection(grpc_address_);
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (std::chrono::steady_clock::now() < deadline) {
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) == process_) {
      process_ = -1;
      return absl::UnavailableError(WIFEXITED(status) && WEXITSTATUS(status) == 127
                                        ? "tesserad cannot be run; is it built?"
                                        : "tesserad ended before it was ready");
    }
    const absl::StatusOr<bool> ready = connection.serving("", 1);
    if (ready.ok() && *ready) return absl::OkStatus();
    std::this_thread::sleep_for(kPoll);
  }
  return absl::UnavailableError("tesserad was not ready in time");
}

DaemonProcess::~DaemonProcess() {
  if (process_ < 0) return;
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

}  // namespace tessera
