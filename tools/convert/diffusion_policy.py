"""Converts a checkpoint of the diffusion_policy project (transformer on low-dimensional observations) to
the folder that the daemon loads; tests/golden/diffusion/README.md describes it.

    python tools/convert/diffusion_policy.py CHECKPOINT FOLDER [--weights ema|model]

A checkpoint is a pickle, and a pickle can run code. This tool runs none of it (torch_checkpoint.py), and
the daemon never sees one. Only the standard library is needed.
"""

import argparse
import json
import math
import pathlib
import re
import struct
import sys

from torch_checkpoint import Checkpoint, CheckpointError, Record, Tensor

POLICY = "DiffusionTransformerLowdimPolicy"
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")
IGNORED = re.compile(r"(.*\.)?_dummy_variable|model\.(memory_)?mask|mask_generator\..*")


def plain(value, at, root, depth=0):
    """A configuration as dictionaries, lists and numbers: records of omegaconf opened, references to
    other keys followed."""
    if depth > 64:
        raise CheckpointError(f"configuration: {at} is nested too deep")
    if isinstance(value, Record):
        content = value.state if isinstance(value.state, dict) else {}
        if "_content" in content:
            value = content["_content"]
        elif "_val" in content:
            value = content["_val"]
        else:
            return None  # a type, or metadata
    if isinstance(value, (dict, list)):
        return value
    if isinstance(value, str) and (reference := re.fullmatch(r"\$\{([\w.]+)\}", value)):
        return lookup(root, reference[1], root, depth + 1)
    if isinstance(value, str) and "${" in value:
        raise CheckpointError(f"configuration: {at} is {value!r}; resolve it before saving")
    return value


def lookup(config, path, root=None, depth=0):
    """The value at a dotted path, None where there is none."""
    root = config if root is None else root
    value = plain(config, "the whole", root, depth)
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = plain(value[key], path, root, depth)
    return value


def whole(config, path, least=1, default=None):
    value = lookup(config, path)
    value = default if value is None else value
    if type(value) is not int or not least <= value <= 1 << 20:
        raise CheckpointError(f"configuration: {path} is {value!r}, not a whole number from {least}")
    return value


def must_be(config, path, wanted, default=None):
    value = lookup(config, path)
    value = default if value is None else value
    if value != wanted:
        raise CheckpointError(f"configuration: {path} is {value!r}; only {wanted!r} is supported")


def scheduler_of(config):
    block = lookup(config, "policy.noise_scheduler")
    if not isinstance(block, dict):
        raise CheckpointError("configuration: policy.noise_scheduler is missing")
    name = str(lookup(config, "policy.noise_scheduler._target_")).rsplit(".", 1)[-1]
    if name not in SCHEDULERS:
        raise CheckpointError(f"configuration: policy.noise_scheduler is {name}, supported are "
                              + ", ".join(SCHEDULERS))
    out = {"_class_name": name}
    for key in sorted(block):
        if isinstance(key, str) and not key.startswith("_"):
            value = lookup(config, f"policy.noise_scheduler.{key}")
            if not isinstance(value, (str, int, float, bool, type(None))):
                raise CheckpointError(f"configuration: policy.noise_scheduler.{key} is no plain value")
            out[key] = value
    return out


def network_of(config):
    """The part of config.json that the configuration tells."""
    target = str(lookup(config, "policy._target_")).rsplit(".", 1)[-1]
    if target != POLICY:
        raise CheckpointError(f"configuration: policy is {target}, supported is {POLICY}")
    model = "policy.model."
    must_be(config, model + "causal_attn", True, False)
    must_be(config, model + "time_as_cond", True, True)
    must_be(config, "policy.obs_as_cond", True, False)
    must_be(config, "policy.pred_action_steps_only", False, False)
    must_be(config, model + "n_cond_layers", 0, 0)
    scheduler = scheduler_of(config)
    steps = scheduler.get("num_train_timesteps") or 1000
    out = {"_class_name": "TransformerForDiffusion"}
    for key in ["input_dim", "output_dim", "cond_dim", "horizon"]:
        out[key] = whole(config, model + key)
    out["n_obs_steps"] = whole(config, "policy.n_obs_steps")
    out["n_action_steps"] = whole(config, "policy.n_action_steps")
    out["first_action_step"] = out["n_obs_steps"] - 1
    if out["first_action_step"] + out["n_action_steps"] > out["horizon"]:
        raise CheckpointError("configuration: n_obs_steps and n_action_steps reach beyond horizon")
    out |= {"n_layer": whole(config, model + "n_layer", default=12),
            "n_head": whole(config, model + "n_head", default=12),
            "n_emb": whole(config, model + "n_emb", default=768), "n_cond_layers": 0,
            "causal_attn": True, "time_as_cond": True, "obs_as_cond": True,
            "num_inference_steps": whole(config, "policy.num_inference_steps", default=steps),
            "obs_keys": [{"name": "obs", "width": out["cond_dim"]}]}
    if out["n_emb"] % (2 * out["n_head"]):
        raise CheckpointError("configuration: n_emb is no multiple of twice n_head")
    return out, scheduler


def expected_shapes(network):
    """{name: shape} of every tensor of model.safetensors."""
    width, inner = network["n_emb"], 4 * network["n_emb"]
    shapes = {"pos_emb": (1, network["horizon"], width),
              "cond_pos_emb": (1, 1 + network["n_obs_steps"], width)}

    def linear(name, rows, columns):
        shapes[name + ".weight"], shapes[name + ".bias"] = (rows, columns), (rows,)

    def norm(name):
        shapes[name + ".weight"] = shapes[name + ".bias"] = (width,)

    linear("input_emb", width, network["input_dim"])
    linear("cond_obs_emb", width, network["cond_dim"])
    linear("encoder.0", inner, width)
    linear("encoder.2", width, inner)
    for layer in range(network["n_layer"]):
        at = f"decoder.layers.{layer}."
        for attention in ["self_attn", "multihead_attn"]:
            shapes[f"{at}{attention}.in_proj_weight"] = (3 * width, width)
            shapes[f"{at}{attention}.in_proj_bias"] = (3 * width,)
            linear(f"{at}{attention}.out_proj", width, width)
        linear(at + "linear1", inner, width)
        linear(at + "linear2", width, inner)
        for rank in (1, 2, 3):
            norm(f"{at}norm{rank}")
    norm("ln_f")
    linear("head", network["output_dim"], width)
    return shapes


def state_of(checkpoint, weights):
    payload = checkpoint.payload
    states = payload.get("state_dicts") if isinstance(payload, dict) else None
    if not isinstance(states, dict) or "cfg" not in payload:
        raise CheckpointError("no checkpoint of diffusion_policy: it has no cfg and state_dicts")
    key = {"ema": "ema_model", "model": "model"}.get(weights)
    key = key or ("ema_model" if "ema_model" in states else "model")
    if not isinstance(states.get(key), dict):
        raise CheckpointError(f"state_dicts.{key} is missing")
    return {name: value for name, value in states[key].items() if isinstance(value, Tensor)}


def tensors_of(checkpoint, state, network):
    shapes, out = expected_shapes(network), {}
    for name, tensor in state.items():
        if name.startswith("normalizer.") or IGNORED.fullmatch(name):
            continue
        short = name.removeprefix("model.")
        if short not in shapes or not name.startswith("model."):
            raise CheckpointError(f"{name} belongs to no part that is supported")
        if tensor.shape != shapes[short]:
            raise CheckpointError(f"{name} has shape {tensor.shape}, expected is {shapes[short]}")
        out[short] = (tensor.shape, checkpoint.numbers(name, tensor))
    for name in shapes:
        if name not in out:
            raise CheckpointError(f"model.{name} is missing")
    return out


def normalizer_of(checkpoint, state, network):
    out = {}
    for key, width in [("obs", network["cond_dim"]), ("action", network["input_dim"])]:
        out[key] = {}
        for part in ["scale", "offset"]:
            name = f"normalizer.params_dict.{key}.{part}"
            if name not in state:
                raise CheckpointError(f"{name} is missing")
            values = list(checkpoint.numbers(name, state[name]))
            if len(values) not in (1, width):
                raise CheckpointError(f"{name} has {len(values)} numbers, expected are {width}")
            out[key][part] = values * (width // len(values))
            if part == "scale" and 0.0 in values:
                raise CheckpointError(f"{name} holds a zero")
    return out


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, numbers) in sorted(tensors.items()):
        end = at + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, (_, numbers) in sorted(tensors.items()):
            if sys.byteorder == "big":
                numbers.byteswap()
            numbers.tofile(file)


def convert(source, folder, weights=None):
    checkpoint = Checkpoint(source)
    state = state_of(checkpoint, weights)
    network, scheduler = network_of(checkpoint.payload["cfg"])
    tensors = tensors_of(checkpoint, state, network)
    network["normalizer"] = normalizer_of(checkpoint, state, network)
    network["scheduler"] = scheduler
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(network, indent=2) + "\n")
    return network, sum(len(numbers) for _, numbers in tensors.values())


def main():
    parser = argparse.ArgumentParser(description="Converts a diffusion_policy checkpoint.")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--weights", choices=["ema", "model"],
                        help="averaged weights (the default where there are any) or the last ones")
    chosen = parser.parse_args()
    try:
        network, numbers = convert(chosen.checkpoint, chosen.folder, chosen.weights)
    except (CheckpointError, OSError) as error:
        sys.exit(f"{chosen.checkpoint}: {error}")
    print(f"{chosen.folder}: {network['n_layer']} layers of width {network['n_emb']}, {numbers} numbers")


if __name__ == "__main__":
    main()
