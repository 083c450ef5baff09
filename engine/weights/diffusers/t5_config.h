// The encoder of T5 1.1: prompts to embeddings. Plain data, made once at load; any thread may read
// it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/weights/json_fields.h"
#include "engine/weights/tensor_files.h"
#include "engine/weights/tensor_list.h"

namespace tessera {

// RMS norms, no biases, no 1/sqrt(Dh), FFN wo(gelu_tanh(wi_0 x) * wi_1 x).
struct T5Config {
  int layers = 0;                 // L
  int width = 0;                  // D
  int ffn_width = 0;              // F
  int heads = 0;                  // H
  int head_width = 0;             // Dh, even; H * Dh may differ from D
  int vocab_size = 0;             // V
  int position_buckets = 0;       // of the relative bias of all layers, half for each direction
  int position_distance_max = 0;  // from here on all keys share the last bucket
  float norm_epsilon = 0;
  int32_t pad_id = 0, end_id = 0;
};

inline constexpr std::string_view kT5Class = "T5EncoderModel";

T5Config read_t5_config(JsonFields& fields);

std::vector<ExpectedTensor> expected_tensors(const T5Config& config);
// The embedding is shared.weight, whatever the file calls it; a decoder is taken away.
void settle_encoder(TensorFiles& files);

}  // namespace tessera
