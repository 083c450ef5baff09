"""Draws of PyTorch's CPU generator for tests/golden/denoise/torch_cpu.json: per seed, consecutive
torch.randn calls of the given sizes on one generator.

    python tools/golden/diffusion_noise.py
"""
import json
import pathlib

import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/denoise/torch_cpu.json"
SIZES = [3, 1, 15, 16, 2, 17, 31, 8, 48, 100, 1, 20]


def main():
    streams = []
    for seed in (0, 42, 2**32 + 5, 123456789012345):
        generator = torch.Generator().manual_seed(seed)
        draws = [torch.randn(size, generator=generator).tolist() for size in SIZES]
        streams.append({"seed": seed, "draws": [[float(f"{value:.9g}") for value in draw] for draw in draws]})
    OUT.write_text("[\n" + ",\n".join(json.dumps(stream) for stream in streams) + "\n]\n")


main()
