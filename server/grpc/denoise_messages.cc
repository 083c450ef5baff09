#include "server/grpc/denoise_messages.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "server/grpc/status_mapping.h"
#include "server/media/png.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors leave as they lie in memory");

constexpr char kPng[] = "image/png", kTensor[] = "application/x-tensor-f32";

int64_t product(std::span<const int64_t> extents) {
  int64_t elements = 1;
  for (const int64_t extent : extents) elements *= extent;
  return elements;
}

void map_completed(const JobResult& result, v1::DenoiseCompleted& out) {
  v1::DenoiseUsage& usage = *out.mutable_usage();
  usage.set_branches_computed(result.summary.computed);
  usage.set_branches_kept(result.summary.kept);
  usage.set_branches_reused(result.summary.reused);
  usage.set_feature_bytes_most(result.summary.feature_bytes_most);
  for (const std::string& note : result.notes) out.add_notes(sendable_message(note));
  v1::DenoiseTimings& timings = *out.mutable_timings();
  timings.set_queue_seconds(result.timings.queue_seconds);
  timings.set_condition_seconds(result.timings.condition_seconds);
  timings.set_denoise_seconds(result.timings.denoise_seconds);
  timings.set_decode_seconds(result.timings.decode_seconds);
  timings.set_total_seconds(result.timings.total_seconds);
}

}  // namespace

void DenoiseMessages::load(DiffusionEvent event) {
  event_ = std::move(event);
  output_ = row_ = 0;
  trace_sent_ = data_sent_ = 0;
  data_.clear();
}

// Pixels are [n, (frames,) 3, height, width].
DenoiseMessages::Outputs DenoiseMessages::outputs_of(const FloatArray& values, bool pixels) const {
  const std::span<const int64_t> shape(values.shape);
  Outputs out;
  if (shape.empty() || values.values.empty()) return out;
  out.png = pixels && wanted_.png && shape.size() >= 4 && shape[shape.size() - 3] == 3;
  const size_t outer = out.png ? shape.size() - 3 : 1;
  out.count = product(shape.first(outer));
  out.frames = outer == 2 ? shape[1] : 0;
  out.shape.assign(shape.begin() + outer, shape.end());
  out.floats = product(out.shape);
  return out;
}

bool DenoiseMessages::next_part(const FloatArray& values, bool pixels, v1::OutputChunk& out) {
  const Outputs outputs = outputs_of(values, pixels);
  if (output_ >= outputs.count) return false;
  if (data_.empty()) {
    const auto floats = std::span(values.values).subspan(output_ * outputs.floats, outputs.floats);
    if (outputs.png) {
      // The sizes are those of the values, so only memory can be lacking.
      data_ = encode_png(floats, outputs.shape[1], outputs.shape[2]).value();
    } else {
      data_.assign(reinterpret_cast<const char*>(floats.data()), floats.size_bytes());
    }
  }
  out.set_sample(static_cast<int32_t>(outputs.frames > 0 ? output_ / outputs.frames : output_));
  if (outputs.frames > 0) out.set_frame(static_cast<int32_t>(output_ % outputs.frames));
  out.set_content_type(outputs.png ? kPng : kTensor);
  if (!outputs.png) out.mutable_shape()->Add(outputs.shape.begin(), outputs.shape.end());
  const size_t bytes = std::min(kPartBytes, data_.size() - data_sent_);
  out.set_total_bytes(static_cast<int64_t>(data_.size()));
  out.set_offset(static_cast<int64_t>(data_sent_));
  out.set_data(data_.data() + data_sent_, bytes);
  data_sent_ += bytes;
  if (data_sent_ == data_.size()) {
    ++output_;
    data_.clear();
    data_sent_ = 0;
  }
  return true;
}

// Values are [n, horizon, width].
bool DenoiseMessages::next_actions(const JobResult& result, v1::Actions& out) {
  const FloatArray& values = result.values;
  if (values.shape.size() != 3 || output_ >= values.shape[0]) return false;
  const int64_t horizon = values.shape[1], width = values.shape[2];
  const bool all = wanted_.whole_horizon || result.action_count == 0;
  const int64_t first = all ? 0 : result.first_action;
  const int64_t steps = all ? horizon : result.action_count;
  const int64_t fits = std::max<int64_t>(1, kPartBytes / (sizeof(float) * width));
  const int64_t rows = std::min(steps - row_, fits);
  out.set_sample(static_cast<int32_t>(output_));
  out.set_first_step(static_cast<int32_t>(row_));
  out.set_horizon_step(static_cast<int32_t>(first + row_));
  v1::Tensor& tensor = *out.mutable_values();
  tensor.add_shape(rows);
  tensor.add_shape(width);
  const float* const begin = values.values.data() + (output_ * horizon + first + row_) * width;
  tensor.mutable_values()->Add(begin, begin + rows * width);
  row_ += rows;
  if (row_ == steps) {
    ++output_;
    row_ = 0;
  }
  return true;
}

bool DenoiseMessages::next_trace(const JobResult& result, v1::DenoiseTrace& out) {
  if (trace_sent_ == result.trace.size()) return false;
  out.set_first_step(static_cast<int32_t>(trace_sent_));
  for (size_t bytes = 0; trace_sent_ < result.trace.size() && bytes < kPartBytes; ++trace_sent_) {
    const std::string& step = result.trace[trace_sent_];
    if (bytes > 0 && bytes + step.size() > kPartBytes) break;
    bytes += step.size() + 8;
    out.add_steps(step);
  }
  return true;
}

void DenoiseMessages::next_of(const JobResult& result, v1::DenoiseEvent& out) {
  if (wanted_.work == DiffusionWork::kAction) {
    if (next_actions(result, *out.mutable_actions())) return;
  } else if (next_part(result.values, /*pixels=*/!wanted_.latents, *out.mutable_result())) {
    return;
  }
  if (next_trace(result, *out.mutable_trace())) return;
  map_completed(result, *out.mutable_completed());
  event_.reset();
}

void DenoiseMessages::next(v1::DenoiseEvent& out) {
  out.Clear();
  out.set_request_id(id_);
  if (const auto* result = std::get_if<JobResult>(&*event_)) return next_of(*result, out);
  if (const auto* preview = std::get_if<JobPreview>(&*event_)) {
    next_part(preview->pixels, /*pixels=*/true, *out.mutable_preview());
    v1::OutputChunk& part = *out.mutable_preview();
    part.set_sample(part.sample() + static_cast<int32_t>(preview->first_sample));
    part.set_step(preview->step);
    if (output_ < outputs_of(preview->pixels, true).count) return;
  } else if (const auto* queued = std::get_if<JobQueued>(&*event_)) {
    out.mutable_queued()->set_position(queued->position);
  } else if (const auto* step = std::get_if<JobStep>(&*event_)) {
    out.mutable_step()->set_step(step->step);
    out.mutable_step()->set_steps(step->steps);
    out.mutable_step()->set_timestep(step->timestep);
  } else {
    const absl::Status& status = std::get<JobFailed>(*event_).status;
    out.mutable_failed()->set_code(static_cast<int>(status.code()));
    out.mutable_failed()->set_message(sendable_message(status.message()));
  }
  event_.reset();
}

}  // namespace tessera
