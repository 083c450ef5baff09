"""The small text models of tests/golden/models: each a config.json as its family publishes it, with
one or more of the quirks that config.json can hold. Read by text_models.py.

Widths avoid multiples of 32 where they can, so that padding of panels and blocks is exercised, and
position-dependent settings (windows, original_max_position_embeddings) are far below the 90 tokens
of the longer prompt.
"""

from dataclasses import dataclass, field


@dataclass
class Spec:
    name: str
    config: dict
    dtype: str = "F32"          # of the file
    shards: int = 1
    drop_head: bool = False     # the file holds no lm_head although config.json does not tie
    generation: dict = field(default_factory=dict)


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 256,
    "eos_token_id": 257,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 80,
    "max_position_embeddings": 2048,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 4,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.31.0",
    "use_cache": True,
    "vocab_size": 260,
}
MISTRAL = {
    "architectures": ["MistralForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "head_dim": None,
    "hidden_act": "silu",
    "hidden_size": 64,
    "initializer_range": 0.02,
    "intermediate_size": 96,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "sliding_window": 24,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.34.0",
    "use_cache": True,
    "vocab_size": 260,
}
QWEN2 = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 256,
    "eos_token_id": 258,
    "hidden_act": "silu",
    "hidden_size": 56,
    "initializer_range": 0.02,
    "intermediate_size": 88,
    "max_position_embeddings": 32768,
    "max_window_layers": 2,
    "model_type": "qwen2",
    "num_attention_heads": 7,
    "num_hidden_layers": 2,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "transformers_version": "4.43.1",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 260,
}
QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 256,
    "eos_token_id": 258,
    "head_dim": 24,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 72,
    "max_position_embeddings": 40960,
    "max_window_layers": 2,
    "model_type": "qwen3",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 260,
}


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


# The newer dialect: rope_parameters and dtype.
def renewed(config, rope):
    config = without(config, "rope_theta", "rope_scaling", "torch_dtype")
    return config | {"dtype": "float32", "rope_parameters": rope, "transformers_version": "5.0.0"}


LLAMA3_ROPE = {
    "factor": 8.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 32,
    "rope_type": "llama3",
}

SPECS = [
    Spec("llama_plain", without(LLAMA, "num_key_value_heads")),
    Spec("llama_llama3",
         LLAMA | {"attention_bias": False, "head_dim": 20, "max_position_embeddings": 256,
                  "mlp_bias": False, "num_key_value_heads": 2, "rope_scaling": LLAMA3_ROPE,
                  "rope_theta": 500000.0, "tie_word_embeddings": True,
                  "eos_token_id": [257, 258, 259]},
         generation={"bos_token_id": 256, "do_sample": True, "eos_token_id": [257, 258, 259],
                     "temperature": 0.6, "top_p": 0.9}),
    Spec("llama_llama3_renewed",
         renewed(LLAMA, LLAMA3_ROPE | {"rope_theta": 10000.0})
         | {"max_position_embeddings": 256, "num_key_value_heads": 1}, dtype="BF16"),
    Spec("llama_biases_linear",
         LLAMA | {"attention_bias": True, "mlp_bias": True, "head_dim": None,
                  "num_key_value_heads": 2, "rope_scaling": {"factor": 4.0, "type": "linear"}}),
    Spec("llama_yarn_renewed",
         renewed(LLAMA, {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0,
                         "original_max_position_embeddings": 32, "beta_fast": 4.0,
                         "beta_slow": 0.5, "mscale": 0.707, "mscale_all_dim": 1.0,
                         "truncate": False})
         | {"max_position_embeddings": 256}),
    Spec("llama_no_head", LLAMA | {"num_key_value_heads": 2}, dtype="F16", drop_head=True),
    Spec("mistral_window", MISTRAL),
    Spec("mistral_nemo",
         MISTRAL | {"head_dim": 16, "hidden_size": 80, "rope_theta": 1000000.0,
                    "sliding_window": None}, dtype="BF16", shards=3),
    Spec("mistral_linear_renewed",
         renewed(MISTRAL, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0})
         | {"sliding_window": 17, "num_key_value_heads": 4}, dtype="BF16"),
    Spec("qwen2_padded", QWEN2 | {"vocab_size": 288}, shards=2,
         generation={"bos_token_id": 256, "do_sample": True, "eos_token_id": [258, 256],
                     "pad_token_id": 256, "repetition_penalty": 1.1, "temperature": 0.7,
                     "top_k": 20, "top_p": 0.8}),
    Spec("qwen2_yarn",
         QWEN2 | {"rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32,
                                   "type": "yarn"},
                  "max_position_embeddings": 128, "tie_word_embeddings": False,
                  "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}),
    Spec("qwen2_window",
         QWEN2 | {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1,
                  "num_hidden_layers": 3}),
    Spec("qwen3_plain", QWEN3),
    Spec("qwen3_layer_types",
         renewed(QWEN3, {"rope_type": "default", "rope_theta": 1000000.0})
         | {"attention_bias": True, "use_sliding_window": True, "sliding_window": 21,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "num_hidden_layers": 3, "tie_word_embeddings": False}, dtype="BF16"),
    Spec("qwen3_yarn",
         QWEN3 | {"rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32,
                                   "rope_type": "yarn"},
                  "max_position_embeddings": 128}, dtype="BF16"),
]
