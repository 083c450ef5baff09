// Events of a diffusion engine to wire messages. Results and previews become PNG files or tensors,
// one at a time as they are sent, cut into parts. Each message carries the request id. One per
// stream, used by one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/api/diffusion.h"
#include "server/grpc/engines.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// What of a result leaves, and how.
struct DenoiseOutput {
  DiffusionWork work = DiffusionWork::kImage;
  bool png = true;             // pixels as PNG
  bool latents = false;        // the result is no pixels
  bool whole_horizon = false;  // actions that are not to be executed as well
};

class DenoiseMessages {
 public:
  // Data of a part; leaves room below the 1 MiB that no message exceeds.
  static constexpr size_t kPartBytes = 512 << 10;

  DenoiseMessages(RequestId id, const DenoiseOutput& output)
      : id_(std::move(id)), wanted_(output) {}

  // REQUIRES: done(), that is, next() has given all of the event before.
  void load(DiffusionEvent event);
  bool done() const { return !event_.has_value(); }
  // The next message of the loaded event. REQUIRES: !done().
  void next(v1::DenoiseEvent& out);

 private:
  // How the values of an event divide into outputs.
  struct Outputs {
    int64_t count = 0;   // samples, or frames of all samples
    int64_t frames = 0;  // of a sample, each an output of its own; 0 = a sample is one output
    int64_t floats = 0;  // of an output
    std::vector<int64_t> shape = {};  // of an output
    bool png = false;
  };
  Outputs outputs_of(const FloatArray& values, bool pixels) const;

  // False when all parts of `values` have been given.
  bool next_part(const FloatArray& values, bool pixels, v1::OutputChunk& out);
  bool next_actions(const JobResult& result, v1::Actions& out);
  bool next_trace(const JobResult& result, v1::DenoiseTrace& out);
  void next_of(const JobResult& result, v1::DenoiseEvent& out);

  const RequestId id_;
  const DenoiseOutput wanted_;
  std::optional<DiffusionEvent> event_;
  int64_t output_ = 0;    // the one under way
  std::string data_;      // its bytes
  size_t data_sent_ = 0;  // of these
  int64_t row_ = 0;       // of actions, in the sample under way
  size_t trace_sent_ = 0;
};

}  // namespace tessera
