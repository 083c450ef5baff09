// The engines behind a service, and which of them a request is for: by its model's name, or the
// only one that does this kind of work. Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/diffusion.h"
#include "engine/diffusion/engine.h"
#include "engine/run/engine.h"

namespace tessera {

// Borrowed; `text` may be null.
struct Engines {
  Engine* text = nullptr;
  std::vector<DiffusionEngine*> diffusion = {};
};

enum class DiffusionWork { kImage, kVideo, kAction };
DiffusionWork work_of(const DiffusionModelInfo& model);

// NOT_FOUND: no such model; it lists those there are. INVALID_ARGUMENT: the model does other work,
// or several could and none is named.
absl::StatusOr<Engine*> text_engine(const Engines& engines, const std::string& model);
absl::StatusOr<DiffusionEngine*> diffusion_engine(const Engines& engines, DiffusionWork work,
                                                  const std::string& model);

}  // namespace tessera
