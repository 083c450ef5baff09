// What a client asks of a diffusion model, and what it is told meanwhile, as plain data. Pictures,
// videos and robot actions are one kind of request: samples denoised under a condition. Absent is
// never zero: every optional field that is not set takes the model's default. Made on a server
// thread, moved into the engine by `DiffusionEngine::submit`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/api/ids.h"
#include "engine/api/request.h"

namespace tessera {

// Dense numbers, row-major.
struct FloatArray {
  std::vector<int64_t> shape;  // outermost first
  std::vector<float> values;
};

struct ClassCondition {
  int64_t label = 0;
};
struct PromptCondition {
  std::string prompt, negative_prompt;
};
// What a text encoder would have given; [tokens, width] each, pooled [width] or empty. An absent
// negative side is the model's own empty prompt where it has an encoder, else zeros of one token.
struct EmbeddingCondition {
  FloatArray prompt, pooled, negative_prompt, negative_pooled;
};
struct ObservationCondition {
  FloatArray observations;  // [steps, width], in the units of the data
};

struct DiffusionRequest {
  RequestId id;
  std::string model;  // empty = the only one
  std::variant<ClassCondition, PromptCondition, EmbeddingCondition, ObservationCondition> condition;
  std::optional<int64_t> height, width;  // pixels; multiples of the model's patch in pixels
  std::optional<int64_t> frames;         // video
  // Samples, 1 .. 64. Those that a step and the pools do not hold together run in parts, one after
  // the other.
  std::optional<int64_t> n;
  // Sample k has seed + k of torch's noise, and stream k of the seed of counter noise.
  std::optional<uint64_t> seed;
  std::optional<std::string> noise;   // counter | torch_cpu | torch_cuda
  std::optional<FloatArray> latents;  // the noise itself: [n, channels, (frames,) h, w]
  std::optional<std::string> solver;  // by name; absent: the model's own
  std::optional<int64_t> steps;
  std::vector<double> timesteps, sigmas;  // explicit; at most one of the two, and then no steps
  std::optional<double> guidance_scale;
  std::optional<double> eta;                     // DDIM's share of fresh noise
  std::map<std::string, PolicyParams> policies;  // cache and guidance policies, name -> parameters
  // JobSteps come at least so far apart, but for the last step's.
  std::chrono::milliseconds progress_interval{0};
  int64_t preview_steps = 0;  // a preview every so many steps; 0 = none
  bool latents_only = false;  // the result is latents, not pixels
  bool trace = false;         // the result tells every decision
  int32_t priority = 0;       // higher goes first
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

// Waits; `position` requests are before it. Posted again when that changes; a request that runs in
// parts may wait between them too.
struct JobQueued {
  int64_t position = 0;
};

// The newest step that is done; see progress_interval. Of a request that runs in parts, the mean
// over all samples, rounded down: it rises from 1 to `steps` once.
struct JobStep {
  int32_t step = 0, steps = 0;  // steps done, steps in all
  double timestep = 0;          // of the last one done
};

// Samples as the last step predicts them: pixels in [0, 1], [samples, (frames,) 3, h, w]. They are
// those that run together: all n, or those of one part. One is left out while an earlier one is
// still being decoded: previews never hold up the denoising.
struct JobPreview {
  int32_t step = 0;  // steps that these samples have done
  FloatArray pixels;
  int64_t first_sample = 0;  // which of the n is the first of them
};

// Branches of the network, over all steps, samples and guidance branches that ran; each is one of
// the three.
struct PolicySummary {
  int64_t computed = 0;            // and not kept
  int64_t kept = 0;                // computed, and its output or that of its blocks was kept
  int64_t reused = 0;              // not computed: what was kept took its place
  int64_t feature_bytes_most = 0;  // what the job held of the feature store at most, at once
};

// They follow one another: queue until the first sample is admitted, denoise until the last one has
// taken its last step. What passes between parts is counted as denoising.
struct JobTimings {
  double queue_seconds = 0, condition_seconds = 0, denoise_seconds = 0, decode_seconds = 0;
  double total_seconds = 0;
};

struct JobResult {
  // Pixels in [0, 1] [n, (frames,) 3, h, w], latents [n, channels, (frames,) h, w], or actions
  // [n, steps, width].
  FloatArray values;
  // Of actions: the steps that are to be executed, first_action .. + action_count - 1; the others
  // are what the policy expects to come before and after.
  int64_t first_action = 0, action_count = 0;
  uint64_t seed = 0;
  PolicySummary summary;
  // Per step, if asked for, a letter per branch of the network: C computed, K computed and kept, R
  // reused, - not run; after | the same for ranges of blocks; ":c" where the unconditional branch
  // of guidance did not run. One word for each sample.
  std::vector<std::string> trace;
  std::vector<std::string> notes;  // of the cache policy: what of its settings had no effect
  JobTimings timings;
};

struct JobFailed {
  absl::Status status;
};

using DiffusionEvent = std::variant<JobQueued, JobStep, JobPreview, JobResult, JobFailed>;

// Where events of one request go. `post` is called on the engine thread, in order, and must not
// block; JobResult or JobFailed is the last and comes exactly once. Owned jointly by server and
// engine.
class DiffusionSink {
 public:
  virtual ~DiffusionSink() = default;
  virtual void post(DiffusionEvent event) = 0;
};

struct DiffusionModelInfo {
  std::string name, pipeline, dtype;
  int64_t parameters = 0;
  std::string conditioning;  // class | prompt | observation
  int64_t classes = 0;
  int64_t default_height = 0, default_width = 0, default_frames = 1, default_steps = 0;
  double default_guidance = 1;
  bool has_text_encoder = false, has_decoder = false;
  // Measured at load: the part of a full step's time that each kind of branch takes (self, mlp,
  // ...), and "ends", what stands before and after the blocks. They add up to 1.
  std::map<std::string, double> step_shares;
  // The only prompts the model knows, where it comes with a list of them instead of a text encoder.
  std::vector<std::string> prompts;
  // Policies: observations are [observation_steps, observation_width], actions [n, horizon,
  // action_width]; a robot executes steps first_action .. + action_count - 1 of them.
  int64_t observation_steps = 0, observation_width = 0;
  int64_t horizon = 0, action_width = 0, first_action = 0, action_count = 0;
};

// A diffusion model of the deployment.
struct DiffusionModelSettings {
  std::string name;               // clients use it; empty = the folder's
  std::string path;               // diffusers folder, or a converted diffusion policy
  std::string dtype = "auto";     // auto (bf16) | bf16 | f32
  int64_t rows_max = 0;           // token rows of a step; 0 = chosen from the network
  int64_t memory_bytes = 0;       // for jobs: latents, prompts, features; 0 = memory_fraction
  double memory_fraction = 0.25;  // of what is free once the weights are loaded
  int64_t queue_requests_max = 256;
  double step_time_target_seconds = 0.5;  // jobs join a step while it stays near this
  // Of requests that say neither; 0 = as the pipeline of diffusers.
  int64_t steps = 0;
  double guidance_scale = 0;
};

// How busy a diffusion engine is at one moment.
struct DiffusionLoad {
  // Requests. One that runs in parts is waiting whenever its next part is not admitted yet.
  int64_t running = 0, waiting = 0;
  int64_t job_bytes_used = 0, job_bytes_total = 0;
  int64_t feature_bytes_used = 0, feature_bytes_total = 0;  // of these, for kept outputs
};

// As in PolicySummary.
struct BranchCounts {
  int64_t computed = 0, kept = 0, reused = 0;
};

struct DenoiseReport {
  int64_t jobs = 0, rows = 0;
  int64_t computed = 0, kept = 0, reused = 0;  // branches of the network
  // The same by kind of branch: self | temporal | cross | joint | mlp | mlp_context | range.
  std::map<std::string, BranchCounts> kinds;
  double device_seconds = 0, predicted_seconds = 0;
};

// Owned by the server; every call comes on the engine thread and must not block.
class DiffusionObserver {
 public:
  virtual ~DiffusionObserver() = default;
  virtual void on_denoise(const DenoiseReport& report) = 0;
  virtual void on_job_end(const JobTimings& timings, const std::string& outcome) = 0;
};

}  // namespace tessera
