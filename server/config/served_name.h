// The name clients call a model by: the configured one, else the folder's. Pure.
#pragma once

#include <filesystem>
#include <string>

namespace tessera {

// `Settings` has a name and a path.
template <class Settings>
std::string served_name(const Settings& model) {
  if (!model.name.empty()) return model.name;
  std::filesystem::path path = std::filesystem::path(model.path).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace tessera
