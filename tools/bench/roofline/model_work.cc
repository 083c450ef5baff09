#include "tools/bench/roofline/model_work.h"

#include "kernels/ops/packed_weight.h"

namespace tessera {

double ModelWork::step_bytes(double rows, double context) const {
  return static_cast<double>(weight_bytes) +
         rows * context * static_cast<double>(kv_bytes_per_token);
}

double ModelWork::prompt_flops(int64_t tokens) const {
  const auto rows = static_cast<double>(tokens);
  const double keys = rows * (rows + 1) / 2;
  return 2 * rows * static_cast<double>(layer_weights) + 2 * static_cast<double>(head_weights) +
         keys * static_cast<double>(attention_flops_per_key);
}

ModelWork work_of(const nlohmann::ordered_json& config) {
  const int64_t layers = config.at("num_hidden_layers"), width = config.at("hidden_size");
  const int64_t ffn_width = config.at("intermediate_size"), vocab = config.at("vocab_size");
  const int64_t heads = config.at("num_attention_heads");
  const int64_t kv_heads = config.at("num_key_value_heads");
  const int64_t head_width =
      config.contains("head_dim") ? config.at("head_dim").get<int64_t>() : width / heads;
  ModelWork work;
  const auto add = [&work](int64_t count, int64_t N, int64_t K, int64_t& elements) {
    elements += count * N * K;
    work.weight_bytes +=
        count * PackedWeight{.data = nullptr, .dtype = DType::kBf16, .N = N, .K = K}.bytes();
  };
  add(layers, (heads + 2 * kv_heads) * head_width, width, work.layer_weights);
  add(layers, width, heads * head_width, work.layer_weights);
  add(layers, 2 * ffn_width, width, work.layer_weights);
  add(layers, width, ffn_width, work.layer_weights);
  add(1, vocab, width, work.head_weights);
  work.kv_bytes_per_token = layers * 2 * kv_heads * head_width * 2;
  work.attention_flops_per_key = layers * heads * head_width * 4;
  return work;
}

}  // namespace tessera
