"""Trains the transformer of shapes-latte on the latents of videos of a moving figure."""

import pathlib

import torch

import latents
import loop
from latte import VideoTransformer
from noise_schedules import add_noise, noise_loss, squaredcos_alphas, structure_timesteps
from videos import draw_videos, draw_words, embed_words

VIDEOS = 16384
ROWS = 16
STEPS = 42000
RATE = 1e-3
NO_PROMPT = 0.1  # share of videos whose prompt is hidden, for guidance


def material(args):
    autoencoder, factor = latents.shared_autoencoder(args.vae, args.seed)

    def make(count, generator):
        words, parts = draw_words(count, generator), []
        for part in words.split(128):
            frames = draw_videos(part, generator).transpose(1, 2)
            encoded = latents.encode(autoencoder, frames.flatten(0, 1)) * factor
            parts.append(encoded.unflatten(0, frames.shape[:2]).transpose(1, 2))
        return {"words": words, "latents": torch.cat(parts)}

    return latents.material(args.state / "latents", VIDEOS, make)


def main():
    parser = loop.arguments(__doc__, STEPS, RATE)
    parser.add_argument("--vae", type=pathlib.Path, required=True, help="train_vae.py's --state")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    given, alphas = material(args), squaredcos_alphas(1000)
    run = loop.Run(VideoTransformer(), args)

    def loss_of(run):
        generator = run.generator()
        chosen = torch.randint(VIDEOS, (ROWS,), generator=generator)
        clean, words = given["latents"][chosen].float(), given["words"][chosen]
        hidden = torch.rand(ROWS, generator=generator) < NO_PROMPT
        prompt = embed_words(torch.where(hidden[:, None], -1, words))
        timestep = structure_timesteps(ROWS, len(alphas), generator)
        noise = torch.randn(clean.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = run.forward(add_noise(clean, noise, alphas[timestep]), timestep, prompt)
        return noise_loss(predicted.float(), noise, alphas[timestep])

    run.train(loss_of)


if __name__ == "__main__":
    main()
