"""Writes trained models as the folders that the daemon (and diffusers) read, weights in bf16."""

import json

import safetensors.torch
import torch

from dit import config_of as picture_config, diffusers_tensors
from latte import config_of as video_config
from pictures import CLASSES
from vae import LATENT_CHANNELS
from videos import prompts

WEIGHTS = "diffusion_pytorch_model.safetensors"

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "leading",
    "trained_betas": None,
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_tensors(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().to(torch.bfloat16).contiguous() for name, t in tensors.items()}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def write_autoencoder(folder, autoencoder, factor, side):
    """Without the encoder, which serving does not need."""
    levels, shape = len(autoencoder.shape.block_out_channels), autoencoder.shape
    config = {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": list(shape.block_out_channels),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "in_channels": 3,
        "latent_channels": LATENT_CHANNELS,
        "layers_per_block": shape.layers_per_block,
        "norm_num_groups": shape.norm_num_groups,
        "out_channels": 3,
        "sample_size": side,
        "scaling_factor": factor,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "use_quant_conv": False,
    }
    write_json(folder / "config.json", config)
    tensors = {n: t for n, t in autoencoder.state_dict().items() if not n.startswith("encoder.")}
    write_tensors(folder / WEIGHTS, tensors)


def write_pictures(out, model, autoencoder, factor, side):
    index = {
        "_class_name": "DiTPipeline",
        "id2label": {str(index): name for index, name in enumerate(CLASSES)},
        "scheduler": ["diffusers", "DDIMScheduler"],
        "transformer": ["diffusers", "DiTTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(out / "model_index.json", index)
    write_json(out / "scheduler/scheduler_config.json", SCHEDULER)
    write_json(out / "transformer/config.json", picture_config(model.shape))
    write_tensors(out / "transformer" / WEIGHTS, diffusers_tensors(model))
    write_autoencoder(out / "vae", autoencoder, factor, side)


def write_videos(out, model, autoencoder, factor, side):
    """prompt_embeds.safetensors: for each prompt by its text [3, caption_channels]; the prompt
    "nothing" is the unconditional one."""
    index = {
        "_class_name": "LattePipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": [None, None],
        "tokenizer": [None, None],
        "transformer": ["diffusers", "LatteTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(out / "model_index.json", index)
    write_json(out / "scheduler/scheduler_config.json", SCHEDULER)
    write_json(out / "transformer/config.json", video_config(model.shape))
    write_tensors(out / "transformer" / WEIGHTS, model.state_dict())
    write_tensors(out / "prompt_embeds.safetensors", prompts())
    write_autoencoder(out / "vae", autoencoder, factor, side)


def write_policy(out, model, mean, std):
    shape = model.shape
    config = {
        "_class_name": "TransformerForDiffusion",
        "input_dim": shape.action_dim,
        "output_dim": shape.action_dim,
        "cond_dim": shape.obs_dim,
        "horizon": shape.horizon,
        "n_obs_steps": shape.n_obs_steps,
        "n_action_steps": shape.n_action_steps,
        "first_action_step": shape.n_obs_steps - 1,
        "n_layer": shape.n_layer,
        "n_head": shape.n_head,
        "n_emb": shape.n_emb,
        "n_cond_layers": 0,
        "causal_attn": True,
        "time_as_cond": True,
        "obs_as_cond": True,
        "num_inference_steps": 100,
        "obs_keys": [{"name": "obs", "width": shape.obs_dim}],
        "normalizer": {
            # normal = value * scale + offset
            "obs": {"scale": (1 / std).tolist(), "offset": (-mean / std).tolist()},
            "action": {"scale": [1.0] * shape.action_dim, "offset": [0.0] * shape.action_dim},
        },
        "scheduler": {
            "_class_name": "DDPMScheduler",
            "beta_schedule": "squaredcos_cap_v2",
            "clip_sample": True,
            "clip_sample_range": 1.0,
            "num_train_timesteps": 100,
            "prediction_type": "epsilon",
            "variance_type": "fixed_small",
        },
    }
    write_json(out / "config.json", config)
    write_tensors(out / "model.safetensors", model.state_dict())
