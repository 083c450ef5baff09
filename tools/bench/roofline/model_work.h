// What a step of a model must read and compute at least, from its config.json alone: the numerator
// of every fraction that is reported. Pure.
#pragma once

#include <cstdint>

#include "nlohmann/json.hpp"

namespace tessera {

struct ModelWork {
  int64_t layer_weights = 0;  // elements of the matrices of all layers
  int64_t head_weights = 0;   // of the output head
  int64_t weight_bytes = 0;   // both, as packed: what a decoding step reads
  int64_t kv_bytes_per_token = 0;
  int64_t attention_flops_per_key = 0;  // of one row and one key, all layers

  // Bytes of a step of `rows` sequences at `context` tokens each.
  double step_bytes(double rows, double context) const;
  // Operations of a prompt whose last row alone gets logits; a multiply-add counts as two.
  double prompt_flops(int64_t tokens) const;
};

// `config` has the sizes of a Hugging Face config.json; weights and KV are bf16.
ModelWork work_of(const nlohmann::ordered_json& config);

}  // namespace tessera
