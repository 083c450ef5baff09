#include "engine/denoisers/parts.h"

#include <cmath>

namespace tessera {
namespace {

LinearPart whole(const std::string& name, int64_t outputs, int64_t inputs) {
  return {name, outputs, inputs, {0, outputs}, {0, inputs}};
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

SelfAttention::SelfAttention(Region& weights, DType dtype, const std::vector<std::string>& names,
                             int heads, int head_width, bool bias)
    : heads_(heads), head_width_(head_width) {
  const int64_t D = int64_t{heads} * head_width;
  qkv_ = LinearLayer(weights, dtype,
                     {whole(names[0], D, D), whole(names[1], D, D), whole(names[2], D, D)}, bias);
  out_ = LinearLayer(weights, dtype, {whole(names[3], D, D)}, true);
}

absl::Status SelfAttention::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = qkv_.load(files, stream);
  status.Update(out_.load(files, stream));
  return status;
}

Tensor SelfAttention::operator()(const DenoisePass& pass, const DenoiserScratch& scratch,
                                 const RowSet& active, const Tensor& normed) const {
  const Tensor qkv = scratch.qkv.rows(0, active.rows);
  qkv_(pass.stream, normed, qkv);
  const Tensor q = scratch.q.rows(0, active.rows);
  const KvLayer& kv = pass.memory.pages;
  rope_and_store(pass.stream, {.qkv = qkv,
                               .positions = active.positions,
                               .cos_sin = {},
                               .q_gain = {},
                               .k_gain = {},
                               .norm_eps = 0,
                               .slots = active.groups[0].kv_slots,
                               .H = heads_,
                               .Hkv = heads_,
                               .Dh = head_width_,
                               .q = q,
                               .k_pages = kv.k_pages,
                               .v_pages = kv.v_pages});
  const Tensor mixed = attend(pass, scratch, active, q, kv, pass.batch.pages, head_width_);
  const Tensor delta = scratch.delta.rows(0, active.rows);
  out_(pass.stream, flat(mixed), delta);
  return delta;
}

CrossAttention::CrossAttention(Region& weights, DType dtype, const std::vector<std::string>& names,
                               int heads, int head_width, int64_t condition_width, bool bias)
    : heads_(heads), head_width_(head_width) {
  const int64_t D = int64_t{heads} * head_width;
  q_ = LinearLayer(weights, dtype, {whole(names[0], D, D)}, bias);
  kv_ =
      LinearLayer(weights, dtype,
                  {whole(names[1], D, condition_width), whole(names[2], D, condition_width)}, bias);
  out_ = LinearLayer(weights, dtype, {whole(names[3], D, D)}, true);
}

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
      up_(weights, dtype, {whole(up, ffn_width, width)}, true),
      down_(weights, dtype, {whole(down, width, ffn_width)}, true) {}

absl::Status DenoiserMlp::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = up_.load(files, stream);
  status.Update(down_.load(files, stream));
  return status;
}

Tensor DenoiserMlp::operator()(Stream& stream, const DenoiserScratch& scratch,
                               const Tensor& normed) const {
  const int64_t rows = normed.dim(0);
  const Tensor wide = scratch.wide.rows(0, rows), narrow = scratch.ffn.rows(0, rows);
  const Tensor delta = scratch.delta.rows(0, rows);
  up_(stream, normed, wide);
  activate(stream, {.in = wide, .kind = activation_, .out = narrow});
  down_(stream, narrow, delta);
  return delta;
}

VectorEmbedder::VectorEmbedder(Region& weights, DType dtype, const std::string& name,
                               int64_t inputs, int64_t width)
    : first_(weights, dtype, {whole(name + ".linear_1", width, inputs)}, true),
      second_(weights, dtype, {whole(name + ".linear_2", width, width)}, true) {}

absl::Status VectorEmbedder::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = first_.load(files, stream);
  status.Update(second_.load(files, stream));
  return status;
}

void VectorEmbedder::operator()(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows,
                                const Tensor& out) const {
  const int64_t n = rows.dim(0), width = out.dim(1);
  const Tensor wide = scratch.time_wide.rows(0, n).columns(0, width);
  const Tensor narrow = scratch.time_narrow.rows(0, n).columns(0, width);
  first_(stream, rows, wide);
  activate(stream, {.in = wide, .kind = Activation::kSilu, .out = narrow});
  second_(stream, narrow, out);
}

}  // namespace tessera
