// The facts of a diffusion model, read from the JSON files of a diffusers folder (or of a converted
// diffusion policy). Plain data, made once at load by parse_pipeline_config; any thread may read
// it.
//
// What this cannot serve faithfully is refused with INVALID_ARGUMENT or UNIMPLEMENTED naming
// component, key and value. A component that may be absent is a fact, not an error: without a text
// encoder prompts come as embeddings, without a VAE the answer is latents.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/diffusers/autoencoder_kl_config.h"
#include "engine/weights/diffusers/diffusion_policy_config.h"
#include "engine/weights/diffusers/dit_config.h"
#include "engine/weights/diffusers/latte_config.h"
#include "engine/weights/diffusers/pixart_config.h"
#include "engine/weights/diffusers/sd3_config.h"
#include "engine/weights/diffusers/t5_config.h"

namespace tessera {

// The text of the JSON files that describe a model, by path inside the folder, for example
// "transformer/config.json". Absent files are absent here.
using PipelineFiles = std::map<std::string, std::string, std::less<>>;

using TransformerConfig =
    std::variant<DitConfig, PixArtConfig, LatteConfig, Sd3Config, DiffusionPolicyConfig>;

struct PipelineConfig {
  std::string pipeline;  // its class, for example "DiTPipeline"; a policy's network
  TransformerConfig transformer;
  std::optional<AutoencoderKlConfig> vae;
  std::optional<T5Config> text_encoder;  // comes with a tokenizer, see tokenizer_folder
  std::string tokenizer_folder;          // inside the model's folder; empty without a text encoder
  std::string scheduler;                 // the text of scheduler_config.json
  // Names of the classes in order of their labels, where the folder tells them; else empty.
  std::vector<std::string> class_names;
  // For the log: unknown keys, components that are not used or not there.
  std::vector<std::string> notes;
};

// Names of the files that parse_pipeline_config looks at.
std::vector<std::string> pipeline_file_names();

// Every value is bounded; see the readers of the components for the bounds.
absl::StatusOr<PipelineConfig> parse_pipeline_config(const PipelineFiles& files);

// The class of the network, for messages, for example "DiTTransformer2DModel".
std::string_view class_name(const TransformerConfig& config);
std::vector<ExpectedTensor> expected_tensors(const TransformerConfig& config);

}  // namespace tessera
