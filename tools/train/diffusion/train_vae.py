"""Trains the autoencoder that both the picture and the video model work in: every other step sees
pictures of 64 x 64, the steps between them video frames of 32 x 32."""

import torch
import torch.nn.functional as F

import loop
from pictures import CLASSES, draw
from vae import FACTOR, LATENT_CHANNELS, Autoencoder
from videos import FRAMES, draw_videos, draw_words

STEPS = 5000
RATE = 2e-3
PICTURES = 16
VIDEOS, FRAMES_EACH = 16, 3
KL_WEIGHT = 2e-4  # keeps the latents near unit variance and smooth, at little cost in sharpness


def batch_at(step, generator):
    if step % 2 == 0:
        return draw(torch.randint(len(CLASSES), (PICTURES,), generator=generator), generator)
    videos = draw_videos(draw_words(VIDEOS, generator), generator).transpose(1, 2)
    chosen = torch.randint(FRAMES, (VIDEOS, FRAMES_EACH), generator=generator)
    return videos[torch.arange(VIDEOS)[:, None], chosen].flatten(0, 1)


def loss_of_batch(model, pictures, noise):
    with torch.autocast("cpu", torch.bfloat16):
        again, mean, log_variance = model(pictures, noise)
    again, mean, log_variance = again.float(), mean.float(), log_variance.float()
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return F.mse_loss(again, pictures) + 0.2 * F.l1_loss(again, pictures) + KL_WEIGHT * kl


def main():
    args = loop.arguments(__doc__, STEPS, RATE).parse_args()
    torch.manual_seed(args.seed)
    run = loop.Run(Autoencoder().to(memory_format=torch.channels_last), args)

    def loss_of(run):
        generator = run.generator()
        pictures = batch_at(run.step, generator).contiguous(memory_format=torch.channels_last)
        side = pictures.shape[-1] // FACTOR
        noise = torch.randn(len(pictures), LATENT_CHANNELS, side, side, generator=generator)
        return loss_of_batch(run.model, pictures, noise)

    run.train(loss_of)


if __name__ == "__main__":
    main()
