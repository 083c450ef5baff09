#include "engine/denoisers/sd3.h"

#include <algorithm>

#include "engine/denoisers/patches.h"
#include "kernels/ops/position.h"

namespace tessera {
namespace {

constexpr float kEpsilon = 1e-6f;  // of every norm
// Parts of a modulation: three for each branch, in this order.
constexpr int kAttention = 0, kMlp = 3, kSecondAttention = 6;
constexpr int kParts = 6, kDualParts = 9, kEndParts = 2;
constexpr int kPromptTokens = 77 + 512;  // CLIP's and T5's

std::string block_name(int block) { return "transformer_blocks." + std::to_string(block) + "."; }

}  // namespace

Sd3::Sd3(const Sd3Config& config, DType dtype, Region& weights)
    : config_(config),
      dtype_(dtype),
      patch_(patch_layer(weights, dtype, config)),
      answer_(answer_layer(weights, dtype, "proj_out", config)) {
  const int64_t D = config.width();
  context_ =
      LinearLayer(weights, dtype, {whole_part("context_embedder", D, config.prompt_width)}, true);
  const std::string embedders = "time_text_embed.";
  time_ = VectorEmbedder(weights, dtype, embedders + "timestep_embedder", kSinusoidWidth, D);
  pooled_ = VectorEmbedder(weights, dtype, embedders + "text_embedder", config.pooled_width, D);
  position_table_ =
      weights.allocate(DType::kF32, {int64_t{config.position_size} * config.position_size, D});
  int site = 0;
  for (int index = 0; index < config.layers; ++index) {
    blocks_.push_back(make_block(weights, index, site, final_column_));
    const Block& block = blocks_.back();
    site += 3 + (block.dual ? 1 : 0) + (block.last ? 0 : 1);
    final_column_ = block.context_column + (block.last ? kEndParts : kParts) * D;
  }
  final_modulation_ =
      LinearLayer(weights, dtype, {whole_part("norm_out.linear", kEndParts * D, D)}, true);

  facts_.conditioning = Conditioning::kPrompt;
  facts_.latent_channels = config.in_channels;
  facts_.patch = config.patch;
  facts_.width = D;
  facts_.modulation_width = final_column_ + kEndParts * D;
  facts_.time_width = kSinusoidWidth;
  facts_.prompt_width = config.prompt_width;
  facts_.prompt_tokens_max = kPromptTokens;
  facts_.pooled_width = config.pooled_width;
  facts_.context_stream = true;
  facts_.heads = config.heads;
  facts_.head_width = config.head_width;
}

Sd3::Block Sd3::make_block(Region& weights, int index, int first_site, int64_t column) const {
  const int64_t D = config_.width();
  const int heads = config_.heads, head_width = config_.head_width;
  const std::string at = block_name(index), joint = at + "attn.", second = at + "attn2.";
  Block block;
  block.dual = config_.dual_attention[index];
  block.last = index == config_.layers - 1;
  block.first_site = first_site;
  block.column = column;
  const int64_t parts = block.dual ? kDualParts : kParts;
  const int64_t context_parts = block.last ? kEndParts : kParts;
  block.context_column = column + parts * D;
  const auto linears = [&](const std::string& name, std::vector<const char*> which) {
    std::vector<LinearPart> parts;
    for (const char* const part : which) parts.push_back(whole_part(name + part, D, D));
    return parts;
  };
  const auto norms = [&](const std::string& name, const char* q, const char* k) {
    if (!config_.qk_norm) return HeadNorms{};
    return HeadNorms{name + q + ".weight", name + k + ".weight", kEpsilon};
  };
  block.modulation =
      LinearLayer(weights, dtype_, {whole_part(at + "norm1.linear", parts * D, D)}, true);
  block.context_modulation = LinearLayer(
      weights, dtype_, {whole_part(at + "norm1_context.linear", context_parts * D, D)}, true);
  block.attention = SelfAttention(weights, dtype_,
                                  {.qkv = linears(joint, {"to_q", "to_k", "to_v"}),
                                   .out = whole_part(joint + "to_out.0", D, D),
                                   .norms = norms(joint, "norm_q", "norm_k")},
                                  heads, head_width);
  std::vector<const char*> context = {"add_q_proj", "add_k_proj", "add_v_proj"};
  if (block.last) context.erase(context.begin());
  block.context_attention = SelfAttention(weights, dtype_,
                                          {.qkv = linears(joint, context),
                                           .queries = !block.last,
                                           .out = whole_part(joint + "to_add_out", D, D),
                                           .norms = norms(joint, "norm_added_q", "norm_added_k")},
                                          heads, head_width);
  if (block.dual) {
    block.second_attention = SelfAttention(weights, dtype_,
                                           {.qkv = linears(second, {"to_q", "to_k", "to_v"}),
                                            .out = whole_part(second + "to_out.0", D, D),
                                            .norms = norms(second, "norm_q", "norm_k")},
                                           heads, head_width);
  }
  const auto mlp = [&](const std::string& name) {
    return DenoiserMlp(weights, dtype_, at + name + ".net.0.proj", at + name + ".net.2", D, 4 * D,
                       Activation::kGeluTanh);
  };
  block.mlp = mlp("ff");
  if (!block.last) block.context_mlp = mlp("ff_context");
  return block;
}

std::vector<DenoiserSite> Sd3::sites() const {
  std::vector<DenoiserSite> sites;
  for (int index = 0; index < block_count(); ++index) {
    const Block& block = blocks_[index];
    sites.push_back({.block = index, .kind = SiteKind::kJoint, .layout = RowLayout::kJoint});
    sites.push_back({.block = index,
                     .kind = SiteKind::kJoint,
                     .layout = RowLayout::kJoint,
                     .context = true,
                     .adds = !block.last});
    if (block.dual) {
      sites.push_back({.block = index, .kind = SiteKind::kSelf, .layout = RowLayout::kSpatial});
    }
    sites.push_back({.block = index, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
    if (!block.last) {
      sites.push_back({.block = index,
                       .kind = SiteKind::kMlpContext,
                       .layout = RowLayout::kFlat,
                       .context = true});
    }
  }
  return sites;
}

absl::Status Sd3::check(const LatentShape& shape) const {
  if (absl::Status status = check_patches(shape, config_.patch, /*frames_max=*/1); !status.ok()) {
    return status;
  }
  const int most = config_.position_size * config_.patch;
  if (std::max(shape.height, shape.width) <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "latents of " + std::to_string(shape.width) + " x " + std::to_string(shape.height) +
      " are larger than the model's position table, which ends at " + std::to_string(most));
}

int64_t Sd3::image_tokens(const LatentShape& shape) const {
  return patch_tokens(shape, config_.patch);
}

void Sd3::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  scratch_ = allocate_denoiser_scratch(scratch, dtype_, patch_scratch_widths(config_), limits);
  if (std::any_of(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.dual; })) {
    second_delta_ = scratch.allocate(DType::kF32, {limits.rows_max, config_.width()});
  }
}

absl::Status Sd3::load(const TensorFiles& files, Stream& stream) {
  const int64_t rows = position_table_.dim(0), D = config_.width();
  const auto table = files.tensor("pos_embed.pos_embed", {1, rows, D});
  if (!table.ok()) return table.status();
  load_vector(stream, {.source = table->bytes.data(),
                       .source_dtype = table->dtype,
                       .out = make_tensor(position_table_.data, DType::kF32, {rows * D})});
  absl::Status status = patch_.load(files, stream);
  for (const LinearLayer* const layer : {&answer_, &context_, &final_modulation_}) {
    status.Update(layer->load(files, stream));
  }
  status.Update(time_.load(files, stream));
  status.Update(pooled_.load(files, stream));
  for (int index = 0; index < block_count(); ++index) {
    if (status.ok()) status = load_block(files, blocks_[index], index, stream);
  }
  return status;
}

absl::Status Sd3::load_block(const TensorFiles& files, const Block& block, int index,
                             Stream& stream) const {
  absl::Status status = block.modulation.load(files, stream);
  status.Update(block.context_modulation.load(files, stream));
  status.Update(block.attention.load(files, stream));
  status.Update(block.context_attention.load(files, stream));
  if (block.dual) status.Update(block.second_attention.load(files, stream));
  status.Update(block.mlp.load(files, stream));
  if (block.last) {
    // Queries of a prompt that nobody reads: in the file, but not in any answer.
    const std::string joint = block_name(index) + "attn.";
    const int64_t D = config_.width();
    status.Update(files.tensor(joint + "add_q_proj.weight", {D, D}).status());
    status.Update(files.tensor(joint + "add_q_proj.bias", {D}).status());
    if (config_.qk_norm) {
      status.Update(files.tensor(joint + "norm_added_q.weight", {config_.head_width}).status());
    }
  } else {
    status.Update(block.context_mlp.load(files, stream));
  }
  stream.wait(stream.record());
  return status;
}

// The middle of the stored table.
absl::StatusOr<PositionRows> Sd3::positions(const LatentShape& shape, Stream&) {
  const int height = shape.height / config_.patch, width = shape.width / config_.patch;
  const int size = config_.position_size;
  const int top = (size - height) / 2, left = (size - width) / 2;
  PositionRows rows;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) rows.a.push_back((top + y) * size + left + x);
  }
  return rows;
}

void Sd3::modulate(const ModulationPass& pass) const {
  const int64_t n = pass.time.dim(0), D = config_.width();
  const Tensor sum = scratch_.condition.rows(0, n), narrow = scratch_.time_hidden.rows(0, n);
  const Tensor pooled = pass.out.columns(0, D);  // until the columns get what they are for
  time_(pass.stream, scratch_, pass.time, sum);
  pooled_(pass.stream, scratch_, pass.pooled, pooled);
  add_rows(pass.stream, {.delta = pooled, .rows = {}, .residual = sum});
  activate(pass.stream, {.in = sum, .kind = Activation::kSilu, .out = narrow});
  const auto apply = [&](const LinearLayer& layer, int64_t column) {
    layer(pass.stream, narrow, pass.out.columns(column, layer.weight().N));
  };
  for (const Block& block : blocks_) {
    apply(block.modulation, block.column);
    apply(block.context_modulation, block.context_column);
  }
  apply(final_modulation_, final_column_);
}

void Sd3::condition(const ConditionPass& pass) const {
  const Tensor rows = scratch_.prompt_kv.rows(0, pass.rows.dim(0)).columns(0, config_.width());
  context_(pass.stream, pass.rows, rows);
  scatter_rows(pass.stream, {.in = rows, .rows = pass.context, .out = pass.memory.context});
}

void Sd3::embed(const DenoisePass& pass) const {
  const int64_t context_rows = pass.batch.context_rows;
  const int64_t image_rows = pass.batch.rows - context_rows;
  embed_patches(pass, scratch_, patch_, config_.patch);
  add_positions(pass.stream, {.table_a = position_table_,
                              .index_a = pass.batch.position_a,
                              .table_b = {},
                              .index_b = {},
                              .rows = {},
                              .residual = scratch_.residual.rows(0, image_rows)});
  gather_rows(pass.stream, {.in = pass.memory.condition.context,
                            .rows = pass.batch.context_rows_in_store,
                            .out = scratch_.residual.rows(image_rows, context_rows)});
}

Tensor Sd3::part(const DenoisePass& pass, int64_t column, int part) const {
  const int64_t D = config_.width();
  return pass.memory.modulation.columns(column + part * D, D);
}

BranchNorm Sd3::norm(const DenoisePass& pass, int64_t column, int shift) const {
  return BranchNorm::modulated(part(pass, column, shift + 1), part(pass, column, shift), kEpsilon);
}

void Sd3::attend(const DenoisePass& pass, const Block& block, const Streams& streams) const {
  Residual &image = streams.image, &context = streams.context;
  const int joint = block.first_site, lent = joint + 1, second = joint + 2;
  Tensor delta, context_delta, second_delta;
  if (const RowSet* const active = image.computing(joint)) {
    const RowSet& also = *context.computing(lent);
    block.attention.store(pass, scratch_, *active,
                          image.begin(*active, norm(pass, block.column, kAttention)));
    const BranchNorm context_norm =
        block.last ? BranchNorm::modulated(part(pass, block.context_column, 0),
                                           part(pass, block.context_column, 1), kEpsilon)
                   : norm(pass, block.context_column, kAttention);
    block.context_attention.store(pass, streams.context_scratch, also,
                                  context.begin(also, context_norm));
    delta = block.attention.read(pass, scratch_, *active);
    if (!block.last) {
      context_delta = block.context_attention.read(pass, streams.context_scratch, also);
    }
  }
  // The second attention starts from the rows that the first one started from.
  const RowSet* const again = block.dual ? image.computing(second) : nullptr;
  if (again != nullptr) {
    DenoiserScratch scratch = scratch_;
    scratch.delta = second_delta_;
    second_delta = block.second_attention(
        pass, scratch, *again, image.begin(*again, norm(pass, block.column, kSecondAttention)));
  }
  image.finish(joint, delta, part(pass, block.column, kAttention + 2));
  if (block.dual) {
    image.flush();
    image.finish(second, second_delta, part(pass, block.column, kSecondAttention + 2));
  }
  if (!block.last) {
    context.finish(lent, context_delta, part(pass, block.context_column, kAttention + 2));
  }
}

void Sd3::blocks(const DenoisePass& pass, int first, int end) const {
  const int64_t context_rows = pass.batch.context_rows;
  const int64_t image_rows = pass.batch.rows - context_rows;
  const DenoiserScratch beyond = scratch_.from_row(image_rows);
  Residual image(pass.stream, pass.batch.table(pass.memory), scratch_.residual.rows(0, image_rows),
                 scratch_.normed.rows(0, image_rows));
  Residual context(pass.stream, pass.batch.context_table(pass.memory),
                   beyond.residual.rows(0, context_rows), beyond.normed.rows(0, context_rows));
  for (int index = first; index < end; ++index) {
    const Block& block = blocks_[index];
    image.enter_block(index);
    context.enter_block(index);
    attend(pass, block, {image, context, beyond});
    const int mlp = block.first_site + (block.dual ? 3 : 2);
    image.add(mlp, norm(pass, block.column, kMlp), part(pass, block.column, kMlp + 2),
              [&](const RowSet&, const Tensor& normed) {
                return block.mlp(pass.stream, scratch_, normed);
              });
    if (!block.last) {
      context.add(mlp + 1, norm(pass, block.context_column, kMlp),
                  part(pass, block.context_column, kMlp + 2),
                  [&](const RowSet&, const Tensor& normed) {
                    return block.context_mlp(pass.stream, beyond, normed);
                  });
    }
    image.leave_block(index);
    context.leave_block(index);
  }
  image.flush();
  context.flush();
}

void Sd3::head(const DenoisePass& pass) const {
  answer_patches(
      pass, scratch_, answer_,
      BranchNorm::modulated(part(pass, final_column_, 0), part(pass, final_column_, 1), kEpsilon),
      config_.patch, config_.in_channels);
}

}  // namespace tessera
