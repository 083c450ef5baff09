#include "tools/bench/random_model/diffusion_writer.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "engine/weights/diffusers/component.h"
#include "engine/weights/diffusers/dit_config.h"
#include "engine/weights/diffusers/latte_config.h"
#include "tools/bench/random_model/weight_files.h"

namespace tessera {
namespace {

constexpr const char* kTransformerFile = "transformer/config.json";

absl::Status write_json(const std::string& path, const nlohmann::ordered_json& value) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::ofstream out(path);
  out << value.dump(2) << "\n";
  out.close();
  return out.good() ? absl::OkStatus() : absl::UnavailableError(path + ": cannot write");
}

absl::StatusOr<std::vector<ExpectedTensor>> tensors_of(const nlohmann::ordered_json& config) {
  std::vector<std::string> notes;
  const std::string text = config.dump();
  if (config.at("_class_name") == kDitClass) {
    const auto dit = parse_component(kTransformerFile, text, read_dit_config, notes);
    if (!dit.ok()) return dit.status();
    return expected_tensors(*dit);
  }
  const auto latte = parse_component(kTransformerFile, text, read_latte_config, notes);
  if (!latte.ok()) return latte.status();
  return expected_tensors(*latte);
}

}  // namespace

absl::StatusOr<uint64_t> write_random_diffusion(const DiffusionShape& shape,
                                                const RandomDiffusionOptions& options) {
  nlohmann::ordered_json config = shape.transformer;
  if (options.layers > 0) config["num_layers"] = options.layers;
  if (options.side > 0) config["sample_size"] = options.side;
  if (options.frames > 0 && config.contains("video_length"))
    config["video_length"] = options.frames;
  const auto tensors = tensors_of(config);
  if (!tensors.ok()) return tensors.status();
  const std::string& folder = options.folder;
  WeightFileOptions weights;
  weights.folder = folder + "/transformer";
  weights.name = "diffusion_pytorch_model";
  weights.dtype = options.dtype;
  weights.seed = options.seed;
  weights.scale = 0.2;
  weights.scale_by_inputs = true;
  for (const absl::Status& written :
       {write_json(folder + "/model_index.json", shape.model_index),
        write_json(folder + "/scheduler/scheduler_config.json", shape.scheduler),
        write_json(folder + "/" + kTransformerFile, config),
        write_random_weights(*tensors, weights)}) {
    if (!written.ok()) return written;
  }
  uint64_t bytes = 0;
  for (const ExpectedTensor& tensor : *tensors) {
    uint64_t count = size_of(options.dtype);
    for (const int64_t extent : tensor.shape) count *= static_cast<uint64_t>(extent);
    bytes += count;
  }
  return bytes;
}

}  // namespace tessera
