#include "server/grpc/denoise_call.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

constexpr std::array<absl::string_view, 10> kOfDenoising{
    "steps", "solver", "timesteps", "sigmas", "guidance_scale",
    "eta",   "seed",   "samples",   "noise",  "latents"};

}  // namespace

absl::StatusOr<DiffusionEngine*> DenoiseCall::route(const Engines& engines,
                                                    const Request& request) {
  absl::StatusOr<DiffusionEngine*> engine =
      diffusion_engine(engines, request.output.work, request.core.model);
  if (!engine.ok()) return engine;
  const DiffusionModelInfo& model = (*engine)->model();
  if (request.output.work != DiffusionWork::kAction && !model.has_decoder &&
      !request.core.latents_only)
    return field_error(absl::StatusCode::kInvalidArgument, "output.latents",
                       "must be true: model " + model.name + " comes without a decoder");
  return engine;
}

absl::Status DenoiseCall::in_words_of_the_wire(absl::Status status) {
  const absl::string_view message = status.message();
  const absl::string_view field = message.substr(0, message.find_first_of(" :[."));
  const bool inner =
      std::find(kOfDenoising.begin(), kOfDenoising.end(), field) != kOfDenoising.end();
  const absl::string_view path = inner ? "denoising." : field == "preview_steps" ? "output." : "";
  if (path.empty()) return status;
  return absl::Status(status.code(), absl::StrCat(path, message));
}

std::string DenoiseCall::summary(const Event& last) {
  const auto& result = std::get<JobResult>(last);
  const JobTimings& times = result.timings;
  return absl::StrFormat("%d outputs, queue %.3f s, denoise %.3f s, decode %.3f s, all %.3f s",
                         result.values.shape.empty() ? 0 : result.values.shape[0],
                         times.queue_seconds, times.denoise_seconds, times.decode_seconds,
                         times.total_seconds);
}

}  // namespace tessera
