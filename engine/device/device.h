// The compute device of the process: one compute pool, one lane, one op table, shared by every
// engine that asks for the same settings. Owned jointly by its engines; the last to go ends its
// threads.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/api/engine_config.h"
#include "kernels/core/lane.h"
#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera {

class Device {
 public:
  // Any thread. INVALID_ARGUMENT for an unknown backend or ISA level, or one this machine lacks.
  static absl::StatusOr<std::shared_ptr<Device>> get(const DeviceSettings& settings);

  Device(const OpTable& ops, IsaLevel isa, int threads, std::string name);

  const OpTable& ops() const { return ops_; }
  Lane& lane() { return lane_; }
  int threads() const { return threads_; }
  const std::string& name() const { return name_; }  // "cpu avx512, 2 threads"

 private:
  const OpTable& ops_;
  ComputePool pool_;
  int threads_;
  Execution execution_;
  Lane lane_;
  std::string name_;
};

}  // namespace tessera
