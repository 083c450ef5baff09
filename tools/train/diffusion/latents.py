"""Training material in the autoencoder's latent space, encoded once and kept in the run's folder."""

import torch

import loop
from pictures import CLASSES, draw
from vae import Autoencoder

CHUNK = 2048  # items of a file: what a killed run has to make again


@torch.no_grad()
def shared_autoencoder(state, seed):
    """The autoencoder of all models, and what its latents are multiplied by so that those of
    pictures have unit variance."""
    autoencoder = loop.averaged(Autoencoder(), state)[0]
    sample = draw(torch.arange(1000) % len(CLASSES), torch.Generator().manual_seed(seed))
    return autoencoder, 1 / autoencoder.encoder(sample)[0].std().item()


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
