// A program run by a test, with its output kept. Killed when the test ends.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {

class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> command) {
    static std::atomic<int> counter{0};
    const std::string base =
        testing::TempDir() + "/child." + std::to_string(getpid()) + "." + std::to_string(counter++);
    out_file_ = base + ".out";
    err_file_ = base + ".err";
    std::vector<char*> arguments;
    for (std::string& part : command) arguments.push_back(part.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    dup2(open(out_file_.c_str(), flags, 0600), STDOUT_FILENO);
    dup2(open(err_file_.c_str(), flags, 0600), STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~ChildProcess() {
    if (!ended_) {
      kill(pid_, SIGKILL);
      wait();
    }
    std::filesystem::remove(out_file_);
    std::filesystem::remove(err_file_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void signal(int number) { kill(pid_, number); }
  // The exit code, or 128 + the signal that killed it.
  int wait() {
    int status = 0;
    while (!ended_ && waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended_ = true;
    return code_;
  }
  std::string out() const { return read(out_file_); }
  std::string err() const { return read(err_file_); }

  // False when the program ends, or a minute passes, before its stderr (or stdout) holds `text`.
  bool wait_for_err(const std::string& text) { return wait_for(err_file_, text); }
  bool wait_for_out(const std::string& text) { return wait_for(out_file_, text); }

 private:
  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  bool wait_for(const std::string& file, const std::string& text) {
    for (int attempt = 0; attempt < 6000; ++attempt) {
      siginfo_t info{};
      const bool over = ended_ || (waitid(P_PID, static_cast<id_t>(pid_), &info,
                                          WEXITED | WNOHANG | WNOWAIT) == 0 &&
                                   info.si_pid == pid_);
      if (read(file).find(text) != std::string::npos) return true;
      if (over) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::string out_file_, err_file_;
  pid_t pid_ = 0;
  bool ended_ = false;
  int code_ = -1;
};

}  // namespace tessera
