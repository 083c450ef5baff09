#include <nlohmann/json.hpp>

#include "tools/client/event_json.h"
#include "tools/client/tensor_json.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

void put_part(Json& out, const v1::OutputChunk& part, const std::string& file) {
  out["sample"] = part.sample();
  if (part.has_frame()) out["frame"] = part.frame();
  if (part.has_step()) out["step"] = part.step();
  out["content_type"] = part.content_type();
  if (!part.shape().empty()) out["shape"] = part.shape();
  out["total_bytes"] = part.total_bytes();
  out["offset"] = part.offset();
  out["bytes"] = part.data().size();
  if (!file.empty()) out["file"] = file;
}

void put_completed(Json& out, const v1::DenoiseCompleted& completed) {
  const v1::DenoiseUsage& usage = completed.usage();
  out["usage"] = {{"branches_computed", usage.branches_computed()},
                  {"branches_kept", usage.branches_kept()},
                  {"branches_reused", usage.branches_reused()},
                  {"feature_bytes_most", usage.feature_bytes_most()}};
  const v1::DenoiseTimings& timings = completed.timings();
  out["timings"] = {{"queue_seconds", timings.queue_seconds()},
                    {"condition_seconds", timings.condition_seconds()},
                    {"denoise_seconds", timings.denoise_seconds()},
                    {"decode_seconds", timings.decode_seconds()},
                    {"total_seconds", timings.total_seconds()}};
  if (!completed.notes().empty()) out["notes"] = completed.notes();
}

// The event's own fields; gives its name.
const char* put_event(Json& out, const v1::DenoiseEvent& event, const std::string& file) {
  switch (event.event_case()) {
    case v1::DenoiseEvent::kAccepted:
      out["model"] = event.accepted().model();
      out["seed"] = event.accepted().seed();
      return "accepted";
    case v1::DenoiseEvent::kQueued:
      out["position"] = event.queued().position();
      return "queued";
    case v1::DenoiseEvent::kStep:
      out["step"] = event.step().step();
      out["steps"] = event.step().steps();
      out["timestep"] = event.step().timestep();
      return "step";
    case v1::DenoiseEvent::kPreview:
      put_part(out, event.preview(), file);
      return "preview";
    case v1::DenoiseEvent::kResult:
      put_part(out, event.result(), file);
      return "result";
    case v1::DenoiseEvent::kActions:
      out["sample"] = event.actions().sample();
      out["first_step"] = event.actions().first_step();
      out["horizon_step"] = event.actions().horizon_step();
      out["values"] = Json::parse(tensor_json(event.actions().values()));
      return "actions";
    case v1::DenoiseEvent::kTrace:
      out["first_step"] = event.trace().first_step();
      out["steps"] = event.trace().steps();
      return "trace";
    case v1::DenoiseEvent::kCompleted:
      put_completed(out, event.completed());
      return "completed";
    case v1::DenoiseEvent::kFailed:
      out["code"] = event.failed().code();
      out["message"] = event.failed().message();
      return "failed";
    case v1::DenoiseEvent::EVENT_NOT_SET:
      break;
  }
  return "unknown";
}

}  // namespace

std::string event_json(const v1::DenoiseEvent& event, const std::string& file) {
  Json out{{"event", ""}, {"request_id", event.request_id()}};
  out["event"] = put_event(out, event, file);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera
