// The engine of one diffusion model: owns its jobs, their latents and features, its device streams,
// and one thread that runs the loop
//   inbox.drain -> choose_jobs -> build -> launch -> collect -> commit -> outbox.post
// in which every step may hold jobs at different timesteps, of different sizes, with different
// solvers and cache policies. Everything public here may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/api/diffusion.h"
#include "engine/api/engine_config.h"
#include "engine/api/observer.h"

namespace tessera {

struct BranchRecord;  // engine/diffusion/branch_record.h

class DiffusionEngine {
 public:
  // Loads a diffusers folder or a converted diffusion policy, prints the memory plan to the log,
  // measures the cost of steps. Errors name the component, file and field. `observer` may be null;
  // it outlives the engine.
  static absl::StatusOr<std::unique_ptr<DiffusionEngine>> create(
      const DiffusionModelSettings& settings, const DeviceSettings& device,
      DiffusionObserver* observer);
  virtual ~DiffusionEngine() = default;

  // Checks on the caller's thread, then queues. After OK, events go to `sink`.
  //   INVALID_ARGUMENT bad value (names field and bound) · UNIMPLEMENTED not supported by this
  //   model NOT_FOUND other model · ALREADY_EXISTS live request id · RESOURCE_EXHAUSTED queue full,
  //   or more memory than the engine has · DEADLINE_EXCEEDED cannot be done in time · UNAVAILABLE
  //   draining or unhealthy
  virtual absl::Status submit(DiffusionRequest request, std::shared_ptr<DiffusionSink> sink) = 0;

  // Ends a request within one step; its sink still gets its last event (JobFailed with CANCELLED).
  // NOT_FOUND when no such request is live.
  virtual absl::Status cancel(const RequestId& id) = 0;

  // Refuses new requests and waits until the live ones end or `deadline` passes; then cancels the
  // rest.
  virtual void drain(std::chrono::steady_clock::time_point deadline) = 0;

  // Runs a request without cache policy and records what every branch of the network added for its
  // first sample under the condition. Waits until it is done; errors as of submit(), or of the run.
  virtual absl::Status record(DiffusionRequest request, BranchRecord& into) = 0;

  virtual const DiffusionModelInfo& model() const = 0;
  virtual DiffusionLoad load() const = 0;
  // Not OK when the loop has work but made no step for 60 s.
  virtual absl::Status health() const = 0;
  virtual std::string describe() const = 0;  // the memory plan and the cost model
};

}  // namespace tessera
