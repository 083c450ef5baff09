// How the measurement is told: a table for people, then one JSON object for programs. Pure.
#pragma once

#include <string>

#include "tools/bench/roofline/roofline.h"

namespace tessera {

struct BenchedMachine {
  std::string cpu, isa, model;
  bool has_amx = false;
  int threads = 0, samples = 0;
};

std::string table_text(const BenchedMachine& machine, const RooflineLoads& loads,
                       const ModelWork& work);
// One line.
std::string json_text(const BenchedMachine& machine, const RooflineLoads& loads,
                      const ModelWork& work);

}  // namespace tessera
