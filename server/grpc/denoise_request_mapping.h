// Wire requests of diffusion models to engine requests. Checks what only the wire can get wrong:
// nothing to denoise towards, tensors that do not fit their shape, numbers that are none, fields of
// a newer contract. Bounds of values are the engine's. Pure; any thread.
#pragma once

#include "absl/status/statusor.h"
#include "engine/api/diffusion.h"
#include "server/grpc/denoise_messages.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct DenoiseRequest {
  DiffusionRequest core;
  DenoiseOutput output;
};

// INVALID_ARGUMENT or UNIMPLEMENTED, with the field. An absent id stays empty.
absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::GenerateImageRequest& wire);
absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::GenerateVideoRequest& wire);
absl::StatusOr<DenoiseRequest> to_denoise_request(const v1::PredictActionRequest& wire);

}  // namespace tessera
