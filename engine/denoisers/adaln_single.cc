#include "engine/denoisers/adaln_single.h"

#include "engine/weights/diffusers/transformer_shape.h"

namespace tessera {
namespace {

constexpr int kParts = 6;  // of a block
constexpr int kSizes = 3;  // height, width, aspect ratio

}  // namespace

SingleModulation::SingleModulation(Region& weights, DType dtype, std::vector<std::string> blocks,
                                   int64_t width, bool sizes)
    : blocks_(std::move(blocks)), width_(width), sizes_(sizes) {
  const std::string at = "adaln_single.emb.";
  time_ = VectorEmbedder(weights, dtype, at + "timestep_embedder", kSinusoidWidth, width);
  if (sizes) {
    const int64_t third = width / kSizes;
    resolution_ = VectorEmbedder(weights, dtype, at + "resolution_embedder", kSinusoidWidth, third);
    aspect_ = VectorEmbedder(weights, dtype, at + "aspect_ratio_embedder", kSinusoidWidth, third);
  }
  six_ =
      LinearLayer(weights, dtype, {whole_part("adaln_single.linear", kParts * width, width)}, true);
  tables_ = weights.allocate(DType::kF32, {row_width()});
}

void SingleModulation::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  shared_ = scratch.allocate(DType::kF32, {limits.modulation_rows, kParts * width_});
  first_table_ = scratch.allocate(DType::kI32, {limits.modulation_rows});
}

absl::Status SingleModulation::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = time_.load(files, stream);
  if (sizes_) {
    status.Update(resolution_.load(files, stream));
    status.Update(aspect_.load(files, stream));
  }
  status.Update(six_.load(files, stream));
  int64_t column = 0;
  const auto load_table = [&](const std::string& name, int64_t parts) {
    const auto table = files.tensor(name, {parts, width_});
    status.Update(table.status());
    if (!table.ok()) return;
    load_vector(stream, {.source = table->bytes.data(),
                         .source_dtype = table->dtype,
                         .out = tables_.rows(column, parts * width_)});
    column += parts * width_;
  };
  for (const std::string& block : blocks_) load_table(block + "scale_shift_table", kParts);
  load_table("scale_shift_table", 2);
  return status;
}

int64_t SingleModulation::row_width() const {
  return (kParts * static_cast<int64_t>(blocks_.size()) + 2) * width_;
}

void SingleModulation::operator()(const ModulationPass& pass,
                                  const DenoiserScratch& scratch) const {
  Stream& stream = pass.stream;
  const int64_t n = pass.time.dim(0), D = width_;
  const Tensor sum = scratch.condition.rows(0, n), shared = shared_.rows(0, n);
  time_(stream, scratch, pass.time, sum);
  if (sizes_) {
    const Tensor extra = shared.columns(0, D);
    for (int size = 0; size < kSizes; ++size) {
      const VectorEmbedder& embedder = size < 2 ? resolution_ : aspect_;
      embedder(stream, scratch, pass.extra.columns(size * kSinusoidWidth, kSinusoidWidth),
               extra.columns(size * D / kSizes, D / kSizes));
    }
    add_rows(stream, {.delta = extra, .rows = {}, .residual = sum});
  }
  const Tensor narrow = scratch.time_hidden.rows(0, n).columns(0, D);
  activate(stream, {.in = sum, .kind = Activation::kSilu, .out = narrow});
  six_(stream, narrow, shared);

  gather_rows(stream, {.in = make_tensor(tables_.data, DType::kF32, {1, row_width()}),
                       .rows = first_table_.rows(0, n),
                       .out = pass.out});
  for (size_t block = 0; block < blocks_.size(); ++block) {
    const int64_t column = static_cast<int64_t>(block) * kParts * D;
    add_rows(stream,
             {.delta = shared, .rows = {}, .residual = pass.out.columns(column, kParts * D)});
  }
  for (const int end : {0, 1}) {
    add_rows(stream, {.delta = sum, .rows = {}, .residual = final_part(pass.out, end)});
  }
}

Tensor SingleModulation::part(const Tensor& modulation, int block, int part) const {
  return modulation.columns((int64_t{kParts} * block + part) * width_, width_);
}

Tensor SingleModulation::final_part(const Tensor& modulation, int part) const {
  return modulation.columns(row_width() - (2 - part) * width_, width_);
}

SingleBlock::SingleBlock(Region& weights, DType dtype, const std::string& name, int heads,
                         int head_width, bool bias, bool cross)
    : crosses_(cross) {
  const int64_t D = int64_t{heads} * head_width;
  const auto attention = [&name](const std::string& which) {
    return std::vector<std::string>{name + which + ".to_q", name + which + ".to_k",
                                    name + which + ".to_v", name + which + ".to_out.0"};
  };
  attention_ = SelfAttention(weights, dtype, attention("attn1"), heads, head_width, bias);
  if (cross) {
    cross_ = CrossAttention(weights, dtype, attention("attn2"), heads, head_width, D, bias);
  }
  mlp_ = DenoiserMlp(weights, dtype, name + "ff.net.0.proj", name + "ff.net.2", D, 4 * D,
                     Activation::kGeluTanh);
}

absl::Status SingleBlock::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = attention_.load(files, stream);
  if (crosses_) status.Update(cross_.load(files, stream));
  status.Update(mlp_.load(files, stream));
  stream.wait(stream.record());
  return status;
}

void SingleBlock::add(const DenoisePass& pass, const DenoiserScratch& scratch,
                      const SingleModulation& modulation, int block, float epsilon,
                      const KvLayer* prompt, int site, Residual& residual) const {
  const auto part = [&](int which) {
    return modulation.part(pass.memory.modulation, block, which);
  };
  residual.add(site++, BranchNorm::modulated(part(1), part(0), epsilon), part(2),
               [&](const RowSet& active, const Tensor& normed) {
                 return attention_(pass, scratch, active, normed);
               });
  if (crosses_) {
    residual.add(site++, BranchNorm::none(), {}, [&](const RowSet& active, const Tensor& rows) {
      return cross_(pass, scratch, active, rows, *prompt);
    });
  }
  residual.add(
      site, BranchNorm::modulated(part(4), part(3), epsilon), part(5),
      [&](const RowSet&, const Tensor& normed) { return mlp_(pass.stream, scratch, normed); });
}

PromptProjection::PromptProjection(Region& weights, DType dtype, const std::string& name,
                                   int64_t inputs, int64_t width)
    : first_(weights, dtype, {whole_part(name + ".linear_1", width, inputs)}, true),
      second_(weights, dtype, {whole_part(name + ".linear_2", width, width)}, true) {}

absl::Status PromptProjection::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = first_.load(files, stream);
  status.Update(second_.load(files, stream));
  return status;
}

Tensor PromptProjection::operator()(Stream& stream, const DenoiserScratch& scratch,
                                    const Tensor& rows) const {
  const int64_t n = rows.dim(0);
  const Tensor hidden = scratch.prompt_hidden.rows(0, n), prompt = scratch.prompt.rows(0, n);
  first_(stream, rows, hidden, Activation::kGeluTanh);
  second_(stream, hidden, prompt);
  return prompt;
}

}  // namespace tessera
