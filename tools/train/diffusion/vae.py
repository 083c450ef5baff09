"""The autoencoder of the picture and video models. The decoder is that of diffusers' AutoencoderKL,
tensor names included; the encoder, which serving does not need and nothing exports, is a cheaper
one of our own.

Axes: B pictures, C channels, h x w latent pixels; a latent pixel is FACTOR x FACTOR pixels.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

FACTOR = 4
LATENT_CHANNELS = 4


@dataclasses.dataclass(frozen=True)
class Shape:
    block_out_channels: tuple = (16, 32, 64)
    layers_per_block: int = 1
    norm_num_groups: int = 8


def normal(groups, channels):
    return nn.GroupNorm(groups, channels, eps=1e-6)


class Resnet(nn.Module):
    def __init__(self, inward, outward, groups):
        super().__init__()
        self.norm1 = normal(groups, inward)
        self.conv1 = nn.Conv2d(inward, outward, 3, padding=1)
        self.norm2 = normal(groups, outward)
        self.conv2 = nn.Conv2d(outward, outward, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inward, outward, 1) if inward != outward else nn.Identity()

    def forward(self, x):
        y = self.conv1(F.silu(self.norm1(x)))
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(y)))


class PixelAttention(nn.Module):
    """All pixels with all, one head."""

    def __init__(self, channels, groups):
        super().__init__()
        self.group_norm = normal(groups, channels)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        y = self.group_norm(x).flatten(2).mT
        q, k, v = self.to_q(y), self.to_k(y), self.to_v(y)
        weights = (q @ k.mT * q.shape[-1] ** -0.5).float().softmax(-1).to(v.dtype)
        return x + self.to_out[0](weights @ v).mT.reshape(x.shape)


class Middle(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(channels, channels, groups) for _ in range(2))
        self.attentions = nn.ModuleList([PixelAttention(channels, groups)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class UpBlock(nn.Module):
    def __init__(self, inward, outward, shape, last):
        super().__init__()
        widths = [inward] + [outward] * shape.layers_per_block
        self.resnets = nn.ModuleList(Resnet(w, outward, shape.norm_num_groups) for w in widths)
        self.upsamplers = nn.ModuleList([] if last else [Upsample(outward)])

    def forward(self, x):
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        widths = shape.block_out_channels[::-1]
        self.conv_in = nn.Conv2d(LATENT_CHANNELS, widths[0], 3, padding=1)
        self.mid_block = Middle(widths[0], shape.norm_num_groups)
        pairs = list(zip((widths[0], *widths), widths))
        self.up_blocks = nn.ModuleList(
            UpBlock(a, b, shape, last=index == len(pairs) - 1) for index, (a, b) in enumerate(pairs)
        )
        self.conv_norm_out = normal(shape.norm_num_groups, widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Encoder(nn.Module):
    """A convolution per latent pixel and three residual blocks; mean and log variance."""

    def __init__(self, channels=64, groups=8):
        super().__init__()
        self.conv_in = nn.Conv2d(3 * FACTOR**2, channels, 3, padding=1)
        self.resnets = nn.Sequential(*(Resnet(channels, channels, groups) for _ in range(3)))
        self.norm = normal(groups, channels)
        self.conv_out = nn.Conv2d(channels, 2 * LATENT_CHANNELS, 3, padding=1)

    def forward(self, pictures):
        x = self.resnets(self.conv_in(F.pixel_unshuffle(pictures, FACTOR)))
        mean, log_variance = self.conv_out(F.silu(self.norm(x))).chunk(2, dim=1)
        return mean, log_variance.clamp(-6, 4)


class Autoencoder(nn.Module):
    def __init__(self, shape=Shape()):
        super().__init__()
        self.shape = shape
        self.encoder = Encoder()
        self.post_quant_conv = nn.Conv2d(LATENT_CHANNELS, LATENT_CHANNELS, 1)
        self.decoder = Decoder(shape)

    def decode(self, z):
        """z: [B, LATENT_CHANNELS, h, w], unscaled; returns pictures in about [-1, 1]."""
        return self.decoder(self.post_quant_conv(z))

    def forward(self, pictures, noise):
        """Returns the pictures again, through latents drawn with `noise`, and both moments."""
        mean, log_variance = self.encoder(pictures)
        return self.decode(mean + (log_variance / 2).exp() * noise), mean, log_variance
