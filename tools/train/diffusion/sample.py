"""Draws samples of a shapes-dit or shapes-latte folder as one PNG, with diffusers' own modules: a look
at the weights as they ship, and a check that the folder is what it says.

Pictures: a column per class. Videos: a row per prompt, a column per frame.
"""

import argparse
import json
import pathlib

import diffusers
import safetensors.torch
import torch

from grids import write_grid
from noise_schedules import ddim, squaredcos_alphas
from videos import NOTHING
from folders import WEIGHTS

PROMPTS = (
    "red circle sideways", "blue square vertical", "green triangle sideways", "yellow cross vertical",
    "magenta circle circling", "white square circling", "blue triangle sideways", "red cross vertical",
)  # fmt: skip


def guided(answer, scale):
    """answer(x, t, unconditional) -> noise; both at once would need twice the memory."""

    def predict(x, t):
        free = answer(x, t, True)
        return free + scale * (answer(x, t, False) - free)

    return predict


def decoder_of(folder):
    """The autoencoder, whose encoder is not in the file."""
    config = json.loads((folder / "config.json").read_text())
    autoencoder = diffusers.AutoencoderKL.from_config(config)
    missing = autoencoder.load_state_dict(
        safetensors.torch.load_file(folder / WEIGHTS), strict=False
    )
    assert not missing.unexpected_keys, missing.unexpected_keys
    assert all(name.startswith("encoder.") for name in missing.missing_keys), missing.missing_keys
    factor = config["scaling_factor"]
    return lambda latents: autoencoder.decode(latents / factor).sample


def sample_pictures(folder, args, generator):
    transformer = diffusers.DiTTransformer2DModel.from_pretrained(folder / "transformer").eval()
    config = transformer.config
    classes, side = config.num_embeds_ada_norm, config.sample_size
    labels = torch.arange(classes).repeat(args.rows)
    x = torch.randn(len(labels), config.in_channels, side, side, generator=generator)

    def answer(x, t, unconditional):
        chosen = torch.full_like(labels, classes) if unconditional else labels
        return transformer(x, torch.full((len(x),), t), chosen).sample

    x = ddim(guided(answer, args.guidance), x, squaredcos_alphas(1000), args.steps)
    return decoder_of(folder / "vae")(x), classes


def sample_videos(folder, args, generator):
    transformer = diffusers.LatteTransformer3DModel.from_pretrained(folder / "transformer").eval()
    config, table = transformer.config, safetensors.torch.load_file(folder / "prompt_embeds.safetensors")
    names = (PROMPTS * args.rows)[: args.rows]
    side, frames = config.sample_size, config.video_length
    x = torch.randn(len(names), config.in_channels, frames, side, side, generator=generator)

    def answer(x, t, unconditional):
        prompt = torch.stack([table[NOTHING if unconditional else name].float() for name in names])
        timestep = torch.full((len(x),), t)
        noise = transformer(x, timestep=timestep, encoder_hidden_states=prompt).sample
        return noise[:, : config.in_channels]

    x = ddim(guided(answer, args.guidance), x, squaredcos_alphas(1000), args.steps)
    return decoder_of(folder / "vae")(x.transpose(1, 2).flatten(0, 1)), frames


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a PNG file")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--scale", type=int, default=1, help="enlarges each pixel")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = json.loads((args.folder / "model_index.json").read_text())["_class_name"]
    draw = {"DiTPipeline": sample_pictures, "LattePipeline": sample_videos}[pipeline]
    pictures, columns = draw(args.folder, args, torch.Generator().manual_seed(args.seed))
    write_grid(args.out, pictures, columns, args.scale)


if __name__ == "__main__":
    main()
