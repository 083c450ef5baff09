#include "engine/denoisers/parts.h"

#include <cmath>

namespace tessera {
namespace {

std::vector<LinearPart> whole_parts(const std::vector<std::string>& names, int64_t outputs,
                                    int64_t inputs) {
  std::vector<LinearPart> parts;
  for (const std::string& name : names) parts.push_back(whole_part(name, outputs, inputs));
  return parts;
}

// [T, H, Dh] as [T, H * Dh].
Tensor flat(const Tensor& heads) {
  return make_tensor(heads.data, heads.dtype, {heads.dim(0), heads.dim(1) * heads.dim(2)});
}

Tensor attend(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active,
              const Tensor& q, const KvLayer& kv, const Tensor& page_ids, int head_width) {
  const Tensor mixed = scratch.mixed.rows(0, active.rows);
  attention(pass.stream, {.q = q,
                          .k_pages = kv.k_pages,
                          .v_pages = kv.v_pages,
                          .segments = active.groups[0].segments,
                          .positions = active.positions,
                          .pages = page_ids,
                          .tails = {},
                          .segment_count = active.segments,
                          .spec = {},
                          .scale = 1.0f / std::sqrt(static_cast<float>(head_width)),
                          .out = mixed,
                          .lse = {}});
  return mixed;
}

}  // namespace

LinearPart whole_part(const std::string& name, int64_t outputs, int64_t inputs) {
  return {name, outputs, inputs, {0, outputs}, {0, inputs}};
}

SelfAttention::SelfAttention(Region& weights, DType dtype, Tensors tensors, int heads,
                             int head_width)
    : heads_(heads),
      head_width_(head_width),
      queries_(tensors.queries),
      norms_(std::move(tensors.norms)),
      qkv_(weights, dtype, std::move(tensors.qkv), tensors.bias) {
  if (queries_) out_ = LinearLayer(weights, dtype, {std::move(tensors.out)}, true);
  if (queries_ && !norms_.q.empty()) q_gain_ = weights.allocate(DType::kF32, {head_width});
  if (!norms_.k.empty()) k_gain_ = weights.allocate(DType::kF32, {head_width});
}

SelfAttention::SelfAttention(Region& weights, DType dtype, const std::vector<std::string>& names,
                             int heads, int head_width, bool bias)
    : SelfAttention(weights, dtype,
                    {.qkv = whole_parts({names[0], names[1], names[2]}, heads * head_width,
                                        heads * head_width),
                     .bias = bias,
                     .out = whole_part(names[3], heads * head_width, heads * head_width)},
                    heads, head_width) {}

absl::Status SelfAttention::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = qkv_.load(files, stream);
  if (queries_) status.Update(out_.load(files, stream));
  if (!q_gain_.empty()) status.Update(load_gain(files, norms_.q, q_gain_, stream));
  if (!k_gain_.empty()) status.Update(load_gain(files, norms_.k, k_gain_, stream));
  return status;
}

Tensor SelfAttention::operator()(const DenoisePass& pass, const DenoiserScratch& scratch,
                                 const RowSet& active, const Tensor& normed) const {
  store(pass, scratch, active, normed);
  return read(pass, scratch, active);
}

void SelfAttention::store(const DenoisePass& pass, const DenoiserScratch& scratch,
                          const RowSet& active, const Tensor& normed) const {
  const int64_t D = int64_t{heads_} * head_width_;
  const Tensor qkv =
      make_tensor(scratch.qkv.data, DType::kF32, {active.rows, (queries_ ? 3 : 2) * D});
  qkv_(pass.stream, normed, qkv);
  const KvLayer& kv = pass.memory.pages;
  rope_and_store(pass.stream, {.qkv = qkv,
                               .positions = active.positions,
                               .cos_sin = {},
                               .q_gain = q_gain_,
                               .k_gain = k_gain_,
                               .norm_eps = norms_.epsilon,
                               .slots = active.groups[0].kv_slots,
                               .H = queries_ ? heads_ : 0,
                               .Hkv = heads_,
                               .Dh = head_width_,
                               .q = queries_ ? scratch.q.rows(0, active.rows) : Tensor{},
                               .k_pages = kv.k_pages,
                               .v_pages = kv.v_pages});
}

Tensor SelfAttention::read(const DenoisePass& pass, const DenoiserScratch& scratch,
                           const RowSet& active) const {
  const Tensor q = scratch.q.rows(0, active.rows);
  const Tensor mixed =
      attend(pass, scratch, active, q, pass.memory.pages, pass.batch.pages, head_width_);
  const Tensor delta = scratch.delta.rows(0, active.rows);
  out_(pass.stream, flat(mixed), delta);
  return delta;
}

CrossAttention::CrossAttention(Region& weights, DType dtype, const LinearPart& q,
                               const std::vector<LinearPart>& kv, const LinearPart& out, int heads,
                               int head_width, bool bias)
    : heads_(heads),
      head_width_(head_width),
      q_(weights, dtype, {q}, bias),
      kv_(weights, dtype, kv, bias),
      out_(weights, dtype, {out}, true) {}

CrossAttention::CrossAttention(Region& weights, DType dtype, const std::vector<std::string>& names,
                               int heads, int head_width, int64_t condition_width, bool bias)
    : CrossAttention(weights, dtype, whole_part(names[0], heads * head_width, heads * head_width),
                     whole_parts({names[1], names[2]}, heads * head_width, condition_width),
                     whole_part(names[3], heads * head_width, heads * head_width), heads,
                     head_width, bias) {}

absl::Status CrossAttention::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = q_.load(files, stream);
  status.Update(kv_.load(files, stream));
  status.Update(out_.load(files, stream));
  return status;
}

void CrossAttention::store(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows,
                           const Tensor& slots, const KvLayer& pages) const {
  const Tensor kv = scratch.prompt_kv.rows(0, rows.dim(0));
  kv_(stream, rows, kv);
  store_kv(stream, kv, slots, heads_, head_width_, pages);
}

Tensor CrossAttention::operator()(const DenoisePass& pass, const DenoiserScratch& scratch,
                                  const RowSet& active, const Tensor& normed,
                                  const KvLayer& pages) const {
  const Tensor q = scratch.q.rows(0, active.rows);
  q_(pass.stream, normed, flat(q));
  const Tensor mixed =
      attend(pass, scratch, active, q, pages, pass.batch.condition_pages, head_width_);
  const Tensor delta = scratch.delta.rows(0, active.rows);
  out_(pass.stream, flat(mixed), delta);
  return delta;
}

void store_kv(Stream& stream, const Tensor& kv, const Tensor& slots, int heads, int head_width,
              const KvLayer& pages) {
  rope_and_store(stream, {.qkv = kv,
                          .positions = slots,
                          .cos_sin = {},
                          .q_gain = {},
                          .k_gain = {},
                          .norm_eps = 0,
                          .slots = slots,
                          .H = 0,
                          .Hkv = heads,
                          .Dh = head_width,
                          .q = {},
                          .k_pages = pages.k_pages,
                          .v_pages = pages.v_pages});
}

DenoiserMlp::DenoiserMlp(Region& weights, DType dtype, const std::string& up,
                         const std::string& down, int64_t width, int64_t ffn_width,
                         Activation activation)
    : activation_(activation),
      up_(weights, dtype, {whole_part(up, ffn_width, width)}, true),
      down_(weights, dtype, {whole_part(down, width, ffn_width)}, true) {}

absl::Status DenoiserMlp::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = up_.load(files, stream);
  status.Update(down_.load(files, stream));
  return status;
}

Tensor DenoiserMlp::operator()(Stream& stream, const DenoiserScratch& scratch,
                               const Tensor& normed) const {
  const int64_t rows = normed.dim(0);
  const Tensor hidden = scratch.ffn.rows(0, rows), delta = scratch.delta.rows(0, rows);
  up_(stream, normed, hidden, activation_);
  down_(stream, hidden, delta);
  return delta;
}

VectorEmbedder::VectorEmbedder(Region& weights, DType dtype, const std::string& name,
                               int64_t inputs, int64_t width)
    : first_(weights, dtype, {whole_part(name + ".linear_1", width, inputs)}, true),
      second_(weights, dtype, {whole_part(name + ".linear_2", width, width)}, true) {}

absl::Status VectorEmbedder::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = first_.load(files, stream);
  status.Update(second_.load(files, stream));
  return status;
}

void VectorEmbedder::operator()(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows,
                                const Tensor& out) const {
  const int64_t n = rows.dim(0), width = out.dim(1);
  const Tensor hidden = scratch.time_hidden.rows(0, n).columns(0, width);
  first_(stream, rows, hidden, Activation::kSilu);
  second_(stream, hidden, out);
}

}  // namespace tessera
