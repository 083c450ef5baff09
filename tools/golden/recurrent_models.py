"""Writes the recurrent models of tests/golden/models: small random TesseraRecurrentForCausalLM folders,
each with the logits that the definition below computes from that very folder, position by position, in
f32. Files and checks are those of text_models.py.

    python tools/golden/recurrent_models.py [NAME ...]
"""

import sys
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from text_models import (DTYPES, OUT, PROMPTS, TOLERANCE, decisive_prompt, kept_rows, logits_of,
                         write_json, write_tokenizer)

BASE = {
    "architectures": ["TesseraRecurrentForCausalLM"],
    "bos_token_id": 256,
    "eos_token_id": 257,
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 80,
    "max_position_embeddings": 32768,
    "model_type": "tessera_recurrent",
    "num_hidden_layers": 3,
    "rms_norm_eps": 1e-05,
    "state_size": 72,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "vocab_size": 260,
}
# One whose channels four ranks can share and one that only two can; the second one's state is as
# wide as the model, and its file is bf16 without a head.
SPECS = [
    ("recurrent_plain", BASE, "F32"),
    ("recurrent_tied", BASE | {"hidden_size": 50, "intermediate_size": 70, "num_hidden_layers": 2,
                               "state_size": None, "tie_word_embeddings": True,
                               "torch_dtype": "bfloat16"}, "BF16"),
]


def shapes(config):
    """Name and shape of every tensor of the file."""
    width, ffn = config["hidden_size"], config["intermediate_size"]
    state = config["state_size"] or width
    yield "model.embed_tokens.weight", (config["vocab_size"], width)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        yield at + "mixer_norm.weight", (width,)
        for part in ("input_proj", "decay_proj", "gate_proj"):
            yield f"{at}mixer.{part}.weight", (state, width)
            yield f"{at}mixer.{part}.bias", (state,)
        yield at + "mixer.output_proj.weight", (width, state)
        yield at + "mlp_norm.weight", (width,)
        yield at + "mlp.gate_proj.weight", (ffn, width)
        yield at + "mlp.up_proj.weight", (ffn, width)
        yield at + "mlp.down_proj.weight", (width, ffn)
    yield "model.norm.weight", (width,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (config["vocab_size"], width)


def random_weights(config, generator):
    """Scale 0.2 as in text_models.py; decays from about one to about a hundred positions."""
    tensors = {}
    for name, shape in shapes(config):
        noise = torch.randn(shape, generator=generator)
        if "norm" in name:
            tensors[name] = 0.5 + torch.rand(shape, generator=generator)
        elif "decay_proj.bias" in name:
            tensors[name] = 5 * torch.rand(shape, generator=generator)
        else:
            tensors[name] = (0.05 if "embed_tokens" in name else 0.2) * noise
    return tensors


class Recurrent:
    """The definition. `mistake` changes it as an implementation might."""

    def __init__(self, folder, dtype=torch.float32, mistake=None):
        self.tensors = {name: tensor.to(dtype)
                        for name, tensor in load_file(folder / "model.safetensors").items()}
        self.layers = 1 + max(int(name.split(".")[2]) for name in self.tensors if ".layers." in name)
        self.mistake = mistake

    def norm(self, rows, name):
        eps = 1e-4 if self.mistake == "eps x10" else 1e-5
        scale = torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + eps)
        return rows * scale * self.tensors[name + ".weight"]

    def linear(self, rows, name):
        out = rows @ self.tensors[name + ".weight"].T
        return out + self.tensors.get(name + ".bias", 0)

    def mix(self, rows, at):
        value = self.linear(rows, at + "input_proj")
        keep = torch.sigmoid(self.linear(rows, at + "decay_proj"))
        gate = torch.nn.functional.silu(self.linear(rows, at + "gate_proj"))
        if self.mistake == "decay of the position before":
            keep = keep.roll(1, 0)
        state, states = torch.zeros_like(value[0]), []
        for position in range(len(value)):
            if self.mistake == "state lost at 16" and position == 16:
                state = torch.zeros_like(state)
            state = keep[position] * state + (1 - keep[position]) * value[position]
            states.append(state)
        return self.linear(torch.stack(states) * gate, at + "output_proj")

    def feed_forward(self, rows, at):
        gate = torch.nn.functional.silu(self.linear(rows, at + "gate_proj"))
        return self.linear(gate * self.linear(rows, at + "up_proj"), at + "down_proj")

    def __call__(self, input_ids):
        rows = self.tensors["model.embed_tokens.weight"][input_ids[0]]
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            rows = rows + self.mix(self.norm(rows, at + "mixer_norm"), at + "mixer.")
            rows = rows + self.feed_forward(self.norm(rows, at + "mlp_norm"), at + "mlp.")
        head = self.tensors.get("lm_head.weight", self.tensors["model.embed_tokens.weight"])
        return SimpleNamespace(logits=(self.norm(rows, "model.norm") @ head.T)[None])


def make(name, config, dtype, seed):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    # The width of the state is that of the model where it is not given.
    write_json(folder / "config.json",
               {key: value for key, value in config.items() if value is not None})
    write_tokenizer(folder, config)
    generator = torch.Generator().manual_seed(seed)
    save_file({key: tensor.to(DTYPES[dtype]).contiguous()
               for key, tensor in random_weights(config, generator).items()},
              folder / "model.safetensors", metadata={"format": "pt"})

    model, precise = Recurrent(folder), Recurrent(folder, torch.float64)
    golden, noise = {}, 0.0
    for prompt, tokens in enumerate(PROMPTS):
        ids, following = decisive_prompt(model, tokens, generator)
        logits = logits_of(model, ids)
        std = float(logits.std())
        noise = max(noise, float((logits - logits_of(precise, ids)).abs().max()) / std)
        rows = kept_rows(tokens)
        golden |= {f"prompt_{prompt}.ids": torch.tensor(ids, dtype=torch.int32),
                   f"prompt_{prompt}.rows": torch.tensor(rows, dtype=torch.int32),
                   f"prompt_{prompt}.logits": logits[rows].contiguous(),
                   f"prompt_{prompt}.greedy": torch.tensor(following, dtype=torch.int32)}
    save_file(golden, folder / "golden.safetensors")

    said = f"{name}: std {std:.3f}, f32 against f64 {noise:.1e} of it"
    for mistake in ("eps x10", "decay of the position before", "state lost at 16"):
        wrong = logits_of(Recurrent(folder, mistake=mistake), ids)
        moved = float((wrong - logits).abs().max()) / std
        assert moved > 10 * TOLERANCE, f"{name}: {mistake} moves the logits by {moved}"
        said += f", {mistake} {moved:.1e}"
    print(said)


def main():
    torch.set_num_threads(1)
    for seed, (name, config, dtype) in enumerate(SPECS):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make(name, config, dtype, 100 + seed)


if __name__ == "__main__":
    main()
