"""Trains the transformer of shapes-dit on the latents of drawn pictures."""

import pathlib

import torch

import latents
import loop
from dit import PictureTransformer
from noise_schedules import add_noise, noise_loss, squaredcos_alphas, structure_timesteps
from pictures import CLASSES, draw

PICTURES = 65536
ROWS = 64
STEPS = 48000
RATE = 1e-3
NO_CLASS = 0.1  # share of pictures whose class is hidden, for guidance


def material(args):
    autoencoder, factor = latents.shared_autoencoder(args.vae, args.seed)

    def make(count, generator):
        labels = torch.randint(len(CLASSES), (count,), generator=generator)
        pictures = draw(labels, generator)
        return {"labels": labels, "latents": latents.encode(autoencoder, pictures) * factor}

    return latents.material(args.state / "latents", PICTURES, make)


def main():
    parser = loop.arguments(__doc__, STEPS, RATE)
    parser.add_argument("--vae", type=pathlib.Path, required=True, help="train_vae.py's --state")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    given, alphas = material(args), squaredcos_alphas(1000)
    run = loop.Run(PictureTransformer(), args)

    def loss_of(run):
        generator = run.generator()
        chosen = torch.randint(PICTURES, (ROWS,), generator=generator)
        clean, labels = given["latents"][chosen].float(), given["labels"][chosen]
        hidden = torch.rand(ROWS, generator=generator) < NO_CLASS
        labels = torch.where(hidden, len(CLASSES), labels)
        timestep = structure_timesteps(ROWS, len(alphas), generator)
        noise = torch.randn(clean.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = run.forward(add_noise(clean, noise, alphas[timestep]), timestep, labels)
        return noise_loss(predicted.float(), noise, alphas[timestep])

    run.train(loss_of)


if __name__ == "__main__":
    main()
