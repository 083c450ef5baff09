// The name clients call the model by. Pure.
#pragma once

#include <filesystem>
#include <string>

#include "engine/api/engine_config.h"

namespace tessera {

// The configured name, else the folder's.
inline std::string served_name(const ModelSettings& model) {
  if (!model.name.empty()) return model.name;
  std::filesystem::path path = std::filesystem::path(model.path).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace tessera
