// The architectures this build knows; registered under their checkpoint names in
// engine/builtin/builtin.cc.
#pragma once

#include "engine/models/model.h"

namespace tessera {

std::unique_ptr<Model> make_llama(const ModelShape& shape, Region& weights);
std::unique_ptr<Model> make_mistral(const ModelShape& shape, Region& weights);
std::unique_ptr<Model> make_qwen2(const ModelShape& shape, Region& weights);
std::unique_ptr<Model> make_qwen3(const ModelShape& shape, Region& weights);
std::unique_ptr<Model> make_tessera_recurrent(const ModelShape& shape, Region& weights);

}  // namespace tessera
