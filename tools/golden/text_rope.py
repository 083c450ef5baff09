"""Prints tests/engine/weights/rope_cases.inc: rope frequencies as transformers computes them.

    python tools/golden/text_rope.py > tests/engine/weights/rope_cases.inc
"""

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

LLAMA3 = dict(factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=8192)
CASES = [
    ("default 64", 64, "default", 10000.0, {}),
    ("default 128 of Qwen", 128, "default", 1000000.0, {}),
    ("default of an odd pair count", 10, "default", 500000.0, {}),
    ("linear", 64, "linear", 10000.0, dict(factor=4.0)),
    ("linear by 2.5", 48, "linear", 10000.0, dict(factor=2.5)),
    ("llama3 of Llama 3.2", 64, "llama3", 500000.0, LLAMA3),
    ("llama3 of Llama 3.1", 128, "llama3", 500000.0, LLAMA3 | dict(factor=8.0)),
    ("llama3 of a short pretraining", 24, "llama3", 10000.0,
     dict(factor=3.0, low_freq_factor=1.0, high_freq_factor=2.5,
          original_max_position_embeddings=64)),
    ("yarn of Qwen2.5", 128, "yarn", 1000000.0,
     dict(factor=4.0, original_max_position_embeddings=32768)),
    ("yarn with its own betas", 64, "yarn", 10000.0,
     dict(factor=8.0, original_max_position_embeddings=128, beta_fast=16.0, beta_slow=2.0)),
    ("yarn without truncation", 64, "yarn", 150000.0,
     dict(factor=32.0, original_max_position_embeddings=4096, truncate=False)),
    ("yarn with mscale", 64, "yarn", 10000.0,
     dict(factor=40.0, original_max_position_embeddings=4096, mscale=0.707,
          mscale_all_dim=1.0)),
    ("yarn with an attention factor", 64, "yarn", 10000.0,
     dict(factor=2.0, original_max_position_embeddings=2048, attention_factor=1.25)),
    ("yarn of a tiny pretraining", 16, "yarn", 10000.0,
     dict(factor=4.0, original_max_position_embeddings=4)),
]
FIELDS = [("factor", "factor"), ("original_max_position_embeddings", "original_positions"),
          ("low_freq_factor", "low_freq_factor"), ("high_freq_factor", "high_freq_factor"),
          ("beta_fast", "beta_fast"), ("beta_slow", "beta_slow"), ("truncate", "truncate"),
          ("attention_factor", "attention_factor"), ("mscale", "mscale"),
          ("mscale_all_dim", "mscale_all_dim")]
KINDS = dict(default="kDefault", linear="kLinear", llama3="kLlama3", yarn="kYarn")


def literal(value):
    return str(value).lower() if isinstance(value, bool) else repr(value)


def main():
    print("// Printed by tools/golden/text_rope.py.")
    print("// clang-format off")
    print("std::vector<RopeCase> rope_cases() {")
    print("  return {")
    for name, width, kind, theta, extra in CASES:
        config = LlamaConfig(hidden_size=width * 2, num_attention_heads=2, head_dim=width,
                             rope_parameters=dict(rope_type=kind, rope_theta=theta, **extra))
        rotary = LlamaRotaryEmbedding(config)
        fields = f".kind = RopeKind::{KINDS[kind]}, .theta = {theta!r}"
        for key, field in FIELDS:
            if key in extra:
                fields += f", .{field} = {literal(extra[key])}"
        values = [float(value) for value in rotary.inv_freq]
        print(f'      {{"{name}", {{{fields}}}, {width}, {rotary.attention_scaling!r},')
        print("       {" + ", ".join(f"{value:.9e}f" for value in values) + "}},")
    print("  };\n}")


if __name__ == "__main__":
    main()
