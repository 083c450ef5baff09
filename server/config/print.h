// The configuration as text that load_config reads back. Pure; any thread.
#pragma once

#include <string>

#include "server/config/load.h"

namespace tessera {

// The effective values, each with where it came from.
std::string print_config(const LoadedConfig& loaded);
// Every key with its default, type, bounds and meaning: config/reference.yaml.
std::string print_reference();

}  // namespace tessera
