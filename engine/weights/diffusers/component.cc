#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr size_t kMaxNotes = 16;

}  // namespace

void require_value(JsonFields& fields, const char* key, const nlohmann::json& value) {
  const nlohmann::json* found = fields.find(key);
  if (found != nullptr && *found != value) {
    fields.refuse(key, concat("only ", show_for_message(value), " is supported"));
  }
}

void check_weight_type(JsonFields& fields) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (fields.has(key)) fields.refuse(key, "quantised weights are not supported");
  }
  for (const char* key : {"dtype", "torch_dtype"}) {
    std::string type = fields.text(key, "float32");
    if (type.starts_with("torch.")) type.erase(0, 6);
    if (type != "float32" && type != "float16" && type != "bfloat16" && type != "auto") {
      fields.refuse(key, "supported are float32, float16 and bfloat16");
    }
  }
}

void note_unknown_keys(const JsonFields& fields, std::vector<std::string>& notes) {
  const std::vector<std::string> unknown = fields.unknown_keys();
  for (size_t index = 0; index < unknown.size() && index < kMaxNotes; ++index) {
    notes.push_back(
        concat(fields.place(), ": ", quote_for_message(unknown[index]), " is not known, ignored"));
  }
  if (unknown.size() > kMaxNotes) {
    notes.push_back(
        concat(fields.place(), ": ", unknown.size() - kMaxNotes, " more keys are not known"));
  }
}

}  // namespace tessera
