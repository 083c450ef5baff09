"""Training material in the autoencoder's latent space, encoded once and kept in the run's folder."""

import torch

import loop
from vae import Autoencoder

CHUNK = 2048  # items of a file: what a killed run has to make again


def trained_autoencoder(state):
    return loop.averaged(Autoencoder(), state)[0]


@torch.no_grad()
def scaling_factor(autoencoder, pictures):
    """What latents are multiplied by to have unit variance."""
    return 1 / autoencoder.encoder(pictures)[0].std().item()


@torch.no_grad()
def encode(autoencoder, pictures, rows=256):
    parts = [autoencoder.encoder(part)[0] for part in pictures.split(rows)]
    return torch.cat(parts).to(torch.bfloat16)


def material(folder, count, make):
    """`count` items, of which make(count, generator) -> {name: tensor} makes a chunk. Returns all
    chunks together."""
    folder.mkdir(parents=True, exist_ok=True)
    chunks = []
    for index in range(-(-count // CHUNK)):
        path = folder / f"{index:04}.pt"
        if not path.exists():
            generator = torch.Generator().manual_seed(7_000_000 + index)
            unfinished = path.with_suffix(".unfinished")
            torch.save(make(CHUNK, generator), unfinished)
            unfinished.replace(path)
        chunks.append(torch.load(path))
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}
