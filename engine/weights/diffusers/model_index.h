// model_index.json of a diffusers folder: the class of the pipeline and of each component. Pure;
// any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

struct ModelIndex {
  std::string pipeline;  // one of the supported classes
  // Class by component, for example "vae" -> "AutoencoderKL", of those components that the
  // pipeline has and the folder is said to hold.
  std::map<std::string, std::string, std::less<>> components;
  std::vector<std::string> class_names;  // by label, from id2label; empty when it is not given
  std::vector<std::string> notes;        // components that are not used
};

// Refuses any pipeline but the supported ones, listing those.
absl::StatusOr<ModelIndex> parse_model_index(std::string_view text);

inline constexpr std::string_view kModelIndexName = "model_index.json";
inline constexpr std::string_view kDitPipeline = "DiTPipeline";
inline constexpr std::string_view kPixArtPipeline = "PixArtAlphaPipeline";
inline constexpr std::string_view kLattePipeline = "LattePipeline";
inline constexpr std::string_view kSd3Pipeline = "StableDiffusion3Pipeline";

// For messages.
std::string supported_pipelines();

}  // namespace tessera
