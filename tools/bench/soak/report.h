// How a soak is told: a table for people, then one JSON object for programs. Pure.
#pragma once

#include <string>

#include "tools/bench/soak/soak.h"

namespace tessera {

std::string table_text(const SoakResult& result);
std::string json_text(const std::string& model, const SoakResult& result);  // one line

}  // namespace tessera
