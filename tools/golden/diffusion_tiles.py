"""Writes tests/golden/diffusion/dit/tiles.safetensors: a picture larger than the VAE was trained for,
decoded by diffusers in tiles (AutoencoderKL.tiled_decode).

    python tools/golden/diffusion_tiles.py
"""

import pathlib

import diffusion_folders
import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/diffusion/dit"
HEIGHT, WIDTH = 11, 17  # latents; tiles are 8 x 8


def main():
    vae = diffusion_folders.open_vae(FOLDER)
    latents = torch.randn(4, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(31))
    with torch.no_grad():
        pixels = vae.tiled_decode(latents[None]).sample[0]
        whole = vae.decode(latents[None]).sample[0]
    assert (pixels - whole).abs().max() > 0.05 * whole.std()  # tiles are seen
    save_file({"latents": latents, "pixels": pixels.contiguous()}, FOLDER / "tiles.safetensors")


main()
