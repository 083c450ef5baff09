"""Writes tests/golden/models: small random text models as Hugging Face folders, each with the logits
that transformers computes from that very folder in f32 with eager attention.

    python tools/golden/text_models.py [NAME ...]

golden.safetensors of a model holds, for prompt 0 (40 tokens) and prompt 1 (90 tokens):
    prompt_N.ids     I32 [T]     the tokens
    prompt_N.rows    I32 [R]     positions whose logits are kept
    prompt_N.logits  F32 [R, V]
    prompt_N.greedy  I32 [16]    the tokens of greedy decoding that follow, end tokens ignored
The same seed gives the same files. Each model is checked to be worth its place: every change listed
in `mistakes` must move the logits by over 10 times the tolerance of the tests.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from text_specs import SPECS
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "models"
PROMPTS = [40, 90]
GREEDY = 16
TOLERANCE = 1e-4  # of the logits' standard deviation
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def random_weights(model, generator):
    """Scale 0.2, so that a wrong rope or mask shows; norm gains far from 1; a small embedding, so
    that a wrong epsilon shows."""
    tensors = {}
    for name, tensor in sorted(model.state_dict().items()):
        noise = torch.randn(tensor.shape, generator=generator)
        if "norm" in name:
            tensors[name] = 0.5 + torch.rand(tensor.shape, generator=generator)
        elif "embed_tokens" in name:
            tensors[name] = 0.05 * noise
        else:
            tensors[name] = 0.2 * noise
    return tensors


def write_tokenizer(folder, config):
    """256 single bytes and 4 special tokens; ids above them are padding of the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + rank) for rank, byte in enumerate(hidden)}
    specials = ["<|begin|>", "<|end|>", "<|turn_end|>", "<|extra|>"]
    added = [{"id": 256 + rank, "content": text, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True}
             for rank, text in enumerate(specials)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False,
                  "vocab": {letters[byte]: byte for byte in range(256)}, "merges": []},
    }
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json",
               {"bos_token": specials[0], "eos_token": specials[1],
                "model_max_length": config["max_position_embeddings"],
                "tokenizer_class": "PreTrainedTokenizerFast"})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_weights(folder, spec, tensors):
    tied = spec.drop_head or spec.config["tie_word_embeddings"]
    tensors = {name: tensor.to(DTYPES[spec.dtype]).contiguous()
               for name, tensor in tensors.items() if not (tied and name == "lm_head.weight")}
    if spec.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    index = {}
    for shard in range(spec.shards):
        file = f"model-{shard + 1:05}-of-{spec.shards:05}.safetensors"
        part = names[shard::spec.shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= {name: file for name in part}
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))})


def load(folder, spec, dtype=torch.float32, **changes):
    config = AutoConfig.from_pretrained(folder)
    if spec.drop_head:
        config.tie_word_embeddings = True
    for key, value in changes.items():
        if key == "rope_theta":
            config.rope_parameters["rope_theta"] = value
        else:
            setattr(config, key, value)
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=dtype,
                                                 attn_implementation="eager")
    return model.eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]


def greedy(model, ids):
    """The tokens that follow, or None when two candidates are too close to tell apart for sure."""
    ids = list(ids)
    for _ in range(GREEDY):
        logits = logits_of(model, ids)
        best = logits[-1].topk(2)
        if best.values[0] - best.values[1] < 20 * TOLERANCE * logits.std():
            return None
        ids.append(int(best.indices[0]))
    return ids[-GREEDY:]


def decisive_prompt(model, tokens, generator):
    while True:
        ids = torch.randint(0, 256, (tokens,), generator=generator).tolist()
        following = greedy(model, ids)
        if following is not None:
            return ids, following


def mistakes(spec):
    """Changes of the config that a right implementation must tell apart."""
    config = spec.config
    yield "eps x10", {"rms_norm_eps": config["rms_norm_eps"] * 10}
    yield "theta x1.1", {"rope_theta": 1.1 * (config.get("rope_theta") or 10000.0)}
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        yield "window + 1", {"sliding_window": config["sliding_window"] + 1}


def kept_rows(tokens):
    return sorted({*range(4), *range(7, tokens, 16), *range(tokens - 16, tokens)})


def make(spec, seed):
    folder = OUT / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    write_json(folder / "config.json", spec.config)
    if spec.generation:
        write_json(folder / "generation_config.json", spec.generation)
    write_tokenizer(folder, spec.config)
    generator = torch.Generator().manual_seed(seed)
    blank = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    write_weights(folder, spec, random_weights(blank, generator))

    model = load(folder, spec)
    precise = load(folder, spec, torch.float64)
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

    said = f"{spec.name}: std {std:.3f}, f32 against f64 {noise:.1e} of it"
    for mistake, changes in mistakes(spec):
        moved = float((logits_of(load(folder, spec, **changes), ids) - logits).abs().max()) / std
        assert moved > 10 * TOLERANCE, f"{spec.name}: {mistake} moves the logits by {moved}"
        said += f", {mistake} {moved:.1e}"
    print(said)


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for seed, spec in enumerate(SPECS):
        if len(sys.argv) == 1 or spec.name in sys.argv[1:]:
            make(spec, seed)


if __name__ == "__main__":
    main()
