// The dry backend: runs a stream without computing. Each command notes what it would read, write
// and multiply, and regions made by Region::dry have addresses but no memory; so one forward pass
// gives the memory plan and the roofline table of a model before anything is loaded. Used at boot,
// by the planner and by tests.
//
//   DryLog log;
//   Lane lane(dry_execution(log));
//   Stream stream(dry_ops(), ring_bytes);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/ops/table.h"

namespace tessera {

// What one call moves and computes. Bytes are those of the operands, each counted once.
struct DryCall {
  std::string op;      // the name in OpTable, or "upload" and "download"
  std::string shapes;  // for people: "x [32, 4096] w [4096, 4096]"
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  double flops = 0;  // a fused multiply-add counts as 2
};

struct DryTotal {
  std::string op;
  int64_t calls = 0;
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  double flops = 0;
};

// What the commands of one lane noted. Written on the lane's thread; read it when the stream is
// idle.
class DryLog {
 public:
  void add(DryCall call) { calls_.push_back(std::move(call)); }
  void clear() { calls_.clear(); }
  const std::vector<DryCall>& calls() const { return calls_; }
  std::vector<DryTotal> totals() const;  // per op, in the order of first use

 private:
  std::vector<DryCall> calls_;
};

// `log` as what dry commands run with.
Execution& dry_execution(DryLog& log);

// Downloads give zeros. Collectives do not wait for peers. Attention cannot see its segments and
// takes each to have an equal share of the rows and of `pages`, all rows at the end of their
// context.
const OpTable& dry_ops();

}  // namespace tessera
