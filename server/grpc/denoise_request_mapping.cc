#include "server/grpc/denoise_request_mapping.h"

#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/grpc/wire_checks.h"

namespace tessera {
namespace {

constexpr int kExtentsMax = 8;
constexpr int64_t kElementsMax = int64_t{1} << 28;  // more fit no message
constexpr int64_t kProgressMs = 10, kProgressMsMost = 60000;

absl::StatusOr<int64_t> count_elements(const v1::Tensor& wire, const std::string& field) {
  if (wire.shape().empty() || wire.shape_size() > kExtentsMax)
    return invalid(field + ".shape", absl::StrCat("has ", wire.shape_size(),
                                                  " extents, must have 1 to ", kExtentsMax));
  int64_t elements = 1;
  for (int at = 0; at < wire.shape_size(); ++at) {
    const int64_t extent = wire.shape(at);
    if (extent < 1 || extent > kElementsMax / elements)
      return invalid(absl::StrCat(field, ".shape[", at, "]"),
                     absl::StrCat("is ", extent, ", must be at least 1, and all together at most ",
                                  kElementsMax));
    elements *= extent;
  }
  return elements;
}

absl::Status map_tensor(const v1::Tensor& wire, const std::string& field, FloatArray& out) {
  const absl::StatusOr<int64_t> elements = count_elements(wire, field);
  if (!elements.ok()) return elements.status();
  if (wire.has_data() && !wire.values().empty())
    return invalid(field, "has values and data; give one of them");
  if (wire.has_data()) {
    if (wire.data().size() != sizeof(float) * *elements)
      return invalid(field + ".data",
                     absl::StrCat("has ", wire.data().size(), " bytes, its shape needs ",
                                  sizeof(float) * *elements));
    out.values.resize(*elements);
    std::memcpy(out.values.data(), wire.data().data(), wire.data().size());
  } else {
    if (wire.values_size() != *elements)
      return invalid(field + ".values", absl::StrCat("has ", wire.values_size(),
                                                     " numbers, its shape needs ", *elements));
    out.values.assign(wire.values().begin(), wire.values().end());
  }
  for (size_t at = 0; at < out.values.size(); ++at) {
    if (!std::isfinite(out.values[at]))
      return invalid(absl::StrCat(field, ".", wire.has_data() ? "data" : "values", "[", at, "]"),
                     "must be a finite number");
  }
  out.shape.assign(wire.shape().begin(), wire.shape().end());
  return absl::OkStatus();
}

absl::Status check_finite(double value, absl::string_view field) {
  return std::isfinite(value) ? absl::OkStatus() : invalid(field, "must be a finite number");
}

absl::Status map_list(const google::protobuf::RepeatedField<double>& wire, const std::string& field,
                      std::vector<double>& out) {
  for (int at = 0; at < wire.size(); ++at) {
    absl::Status status = check_finite(wire[at], absl::StrCat(field, "[", at, "]"));
    if (!status.ok()) return status;
    out.push_back(wire[at]);
  }
  return absl::OkStatus();
}

absl::Status map_denoising(const v1::Denoising& wire, DiffusionRequest& out) {
  if (wire.has_steps()) out.steps = wire.steps();
  if (wire.has_solver()) out.solver = wire.solver();
  if (wire.has_guidance_scale()) out.guidance_scale = wire.guidance_scale();
  if (wire.has_eta()) out.eta = wire.eta();
  if (wire.has_seed()) out.seed = wire.seed();
  if (wire.has_samples()) out.n = wire.samples();
  if (wire.has_noise()) out.noise = wire.noise();
  const int64_t progress_ms = wire.has_progress_ms() ? wire.progress_ms() : kProgressMs;
  if (progress_ms < 0 || progress_ms > kProgressMsMost)
    return invalid("denoising.progress_ms",
                   absl::StrCat("is ", progress_ms, ", must be 0 .. ", kProgressMsMost));
  out.progress_interval = std::chrono::milliseconds(progress_ms);
  absl::Status status = map_list(wire.timesteps(), "denoising.timesteps", out.timesteps);
  status.Update(map_list(wire.sigmas(), "denoising.sigmas", out.sigmas));
  status.Update(check_finite(wire.guidance_scale(), "denoising.guidance_scale"));
  status.Update(check_finite(wire.eta(), "denoising.eta"));
  if (status.ok() && wire.has_latents())
    status = map_tensor(wire.latents(), "denoising.latents", out.latents.emplace());
  return status;
}

absl::Status map_output(const v1::PictureOutput& wire, DenoiseRequest& out) {
  out.core.latents_only = out.output.latents = wire.latents();
  out.core.trace = wire.trace();
  out.core.preview_steps = wire.preview_steps();
  if (wire.has_png()) out.output.png = wire.png();
  if (out.core.preview_steps < 0)
    return invalid("output.preview_steps",
                   absl::StrCat("is ", out.core.preview_steps, ", must be at least 0"));
  if (wire.has_png() && wire.png() && wire.latents())
    return invalid("output.png", "cannot be with output.latents: latents are no pixels");
  return absl::OkStatus();
}

absl::Status map_embeddings(const v1::PromptEmbeddings& wire, EmbeddingCondition& out) {
  if (!wire.has_prompt()) return invalid("embeddings.prompt", "is missing");
  absl::Status status = map_tensor(wire.prompt(), "embeddings.prompt", out.prompt);
  if (status.ok() && wire.has_pooled())
    status = map_tensor(wire.pooled(), "embeddings.pooled", out.pooled);
  if (status.ok() && wire.has_negative_prompt())
    status = map_tensor(wire.negative_prompt(), "embeddings.negative_prompt", out.negative_prompt);
  if (status.ok() && wire.has_negative_pooled())
    status = map_tensor(wire.negative_pooled(), "embeddings.negative_pooled", out.negative_pooled);
  return status;
}

template <class Wire>
absl::Status map_condition(const Wire& wire, DiffusionRequest& out) {
  switch (wire.condition_case()) {
    case Wire::kClassLabel:
      out.condition = ClassCondition{wire.class_label()};
      return absl::OkStatus();
    case Wire::kPrompt:
      if (!wire.prompt().has_text()) return invalid("prompt.text", "is missing");
      out.condition = PromptCondition{wire.prompt().text(), wire.prompt().negative()};
      return absl::OkStatus();
    case Wire::kEmbeddings:
      return map_embeddings(wire.embeddings(),
                            out.condition.template emplace<EmbeddingCondition>());
    case Wire::CONDITION_NOT_SET:
      break;
  }
  return invalid("condition", "is missing: set one of class_label, prompt and embeddings");
}

// The fields that all three have.
template <class Wire>
absl::Status map_common(const Wire& wire, DiffusionRequest& out) {
  absl::Status status = refuse_unknown_fields(wire, "");
  if (status.ok()) status = map_id(wire, out.id);
  if (status.ok()) status = map_denoising(wire.denoising(), out);
  if (status.ok()) status = map_policies(wire.policies(), out.policies);
  if (wire.has_model()) out.model = wire.model();
  if (wire.has_priority()) out.priority = wire.priority();
  return status;
}

template <class Wire>
absl::Status map_pictures(const Wire& wire, DenoiseRequest& out) {
  absl::Status status = map_common(wire, out.core);
  if (status.ok()) status = map_condition(wire, out.core);
  if (status.ok()) status = map_output(wire.output(), out);
  if (wire.has_height()) out.core.height = wire.height();
  if (wire.has_width()) out.core.width = wire.width();
  return status;
}

}  // namespace

absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::GenerateImageRequest& wire) {
  DenoiseRequest request;
  request.output.work = DiffusionWork::kImage;
  if (absl::Status status = map_pictures(wire, request); !status.ok()) return status;
  return request;
}

absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::GenerateVideoRequest& wire) {
  DenoiseRequest request;
  request.output.work = DiffusionWork::kVideo;
  if (absl::Status status = map_pictures(wire, request); !status.ok()) return status;
  if (wire.has_frames()) request.core.frames = wire.frames();
  return request;
}

absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::PredictActionRequest& wire) {
  DenoiseRequest request;
  request.output.work = DiffusionWork::kAction;
  absl::Status status = map_common(wire, request.core);
  if (status.ok() && !wire.has_observations()) status = invalid("observations", "is missing");
  if (status.ok())
    status = map_tensor(wire.observations(), "observations",
                        request.core.condition.emplace<ObservationCondition>().observations);
  if (!status.ok()) return status;
  request.core.trace = wire.trace();
  request.output.whole_horizon = wire.whole_horizon();
  return request;
}

}  // namespace tessera
