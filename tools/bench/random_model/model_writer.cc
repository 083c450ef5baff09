#include "tools/bench/random_model/model_writer.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "engine/weights/expected_tensors.h"
#include "engine/weights/model_config.h"
#include "tools/bench/random_model/tokenizer_file.h"
#include "tools/bench/random_model/weight_files.h"

namespace tessera {
namespace {

absl::Status write_json(const std::string& path, const nlohmann::ordered_json& value, int indent) {
  std::ofstream out(path);
  out << value.dump(indent) << "\n";
  out.close();
  return out.good() ? absl::OkStatus() : absl::UnavailableError(path + ": cannot write");
}

absl::Status prepare_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::UnavailableError(folder + ": " + error.message());
  // An index or a shard left by an earlier run would be loaded with the new files.
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("model") && name.find(".safetensors") != std::string::npos) {
      std::filesystem::remove(entry.path(), error);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> write_random_model(const ModelShape& shape,
                                            const RandomModelOptions& options) {
  ModelFiles texts;
  nlohmann::ordered_json config = shape.config;
  if (options.layers > 0) config["num_hidden_layers"] = options.layers;
  config["torch_dtype"] = options.dtype == DType::kBf16 ? "bfloat16" : "float32";
  texts.config = config.dump();
  const absl::StatusOr<ModelConfig> model = parse_model_config(texts);
  if (!model.ok()) return model.status();

  const std::string& folder = options.folder;
  if (absl::Status ready = prepare_folder(folder); !ready.ok()) return ready;
  const TokenizerFiles tokenizer = make_tokenizer(shape.tokenizer);
  const std::vector<ExpectedTensor> tensors = expected_tensors(*model);
  WeightFileOptions weights;
  weights.folder = folder;
  weights.dtype = options.dtype;
  weights.seed = options.seed;
  for (const absl::Status& written :
       {write_json(folder + "/config.json", config, 2),
        write_json(folder + "/generation_config.json", shape.generation, 2),
        write_json(folder + "/tokenizer.json", tokenizer.tokenizer, -1),
        write_json(folder + "/tokenizer_config.json", tokenizer.config, 2),
        write_random_weights(tensors, weights)}) {
    if (!written.ok()) return written;
  }
  uint64_t bytes = 0;
  for (const ExpectedTensor& tensor : tensors) {
    uint64_t count = size_of(options.dtype);
    for (const int64_t dimension : tensor.shape) count *= static_cast<uint64_t>(dimension);
    bytes += count;
  }
  return bytes;
}

absl::StatusOr<std::string> ready_random_model(const ModelShape& shape, const std::string& parent,
                                               void (*progress)(const std::string& words)) {
  const std::string folder = parent + "/" + shape.name;
  if (std::filesystem::exists(folder)) return folder;
  progress("making a random " + shape.name + " in " + folder);
  RandomModelOptions options;
  options.folder = folder + ".unfinished";
  const absl::StatusOr<uint64_t> bytes = write_random_model(shape, options);
  if (!bytes.ok()) return bytes.status();
  std::error_code error;
  std::filesystem::rename(options.folder, folder, error);
  if (error) return absl::UnavailableError(folder + ": " + error.message());
  return folder;
}

}  // namespace tessera
