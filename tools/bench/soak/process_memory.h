// The memory that a process cannot give back: its anonymous and shared pages, not the mapped files.
// Linux only. Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tessera {

// RssAnon + RssShmem of /proc/PID/status, in bytes; 0 when there is no such process.
int64_t held_memory_bytes(pid_t process);

}  // namespace tessera
