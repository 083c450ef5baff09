#include "server/grpc/engines.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/grpc/field_error.h"

namespace tessera {
namespace {

const char* rpc_of(DiffusionWork work) {
  switch (work) {
    case DiffusionWork::kImage:
      return "GenerateImage";
    case DiffusionWork::kVideo:
      return "GenerateVideo";
    case DiffusionWork::kAction:
      return "PredictAction";
  }
  return "";
}

const char* products_of(DiffusionWork work) {
  switch (work) {
    case DiffusionWork::kImage:
      return "images";
    case DiffusionWork::kVideo:
      return "videos";
    case DiffusionWork::kAction:
      return "actions";
  }
  return "";
}

absl::Status not_found(const Engines& engines, const std::string& model) {
  std::vector<std::string> names;
  if (engines.text != nullptr) names.push_back(engines.text->model().name);
  for (const DiffusionEngine* engine : engines.diffusion) names.push_back(engine->model().name);
  return field_error(
      absl::StatusCode::kNotFound, "model",
      absl::StrCat("is \"", model.substr(0, 100), "\", which is not served; there is ",
                   absl::StrJoin(names, ", ")));
}

absl::Status wrong_rpc(const std::string& model, const char* products, const char* rpc) {
  return field_error(absl::StatusCode::kInvalidArgument, "model",
                     absl::StrCat("is ", model, ", which makes ", products, "; call ", rpc));
}

}  // namespace

DiffusionWork work_of(const DiffusionModelInfo& model) {
  if (model.conditioning == "observation") return DiffusionWork::kAction;
  return model.default_frames > 1 ? DiffusionWork::kVideo : DiffusionWork::kImage;
}

absl::StatusOr<Engine*> text_engine(const Engines& engines, const std::string& model) {
  for (const DiffusionEngine* engine : engines.diffusion) {
    const DiffusionWork work = work_of(engine->model());
    if (!model.empty() && engine->model().name == model)
      return wrong_rpc(model, products_of(work), rpc_of(work));
  }
  if (engines.text == nullptr && model.empty())
    return absl::NotFoundError("this daemon serves no language model");
  if (engines.text == nullptr || (!model.empty() && engines.text->model().name != model))
    return not_found(engines, model);
  return engines.text;
}

absl::StatusOr<DiffusionEngine*> diffusion_engine(const Engines& engines, DiffusionWork work,
                                                  const std::string& model) {
  if (engines.text != nullptr && !model.empty() && engines.text->model().name == model)
    return wrong_rpc(model, "text", "GenerateText");
  std::vector<DiffusionEngine*> fitting;
  std::vector<std::string> names;
  for (DiffusionEngine* engine : engines.diffusion) {
    const DiffusionWork own = work_of(engine->model());
    if (engine->model().name == model) {
      if (own != work) return wrong_rpc(model, products_of(own), rpc_of(own));
      return engine;
    }
    if (own != work) continue;
    fitting.push_back(engine);
    names.push_back(engine->model().name);
  }
  if (!model.empty()) return not_found(engines, model);
  if (fitting.empty())
    return absl::NotFoundError(
        absl::StrCat("this daemon serves no model that makes ", products_of(work)));
  if (fitting.size() > 1)
    return field_error(
        absl::StatusCode::kInvalidArgument, "model",
        absl::StrCat("is needed: ", absl::StrJoin(names, ", "), " make ", products_of(work)));
  return fitting[0];
}

}  // namespace tessera
