"""What the picture and the video transformer share, in plain torch under diffusers' tensor names.

Axes: B rows, T tokens, S keys, D width, H heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

TIME_SIZE = 256  # of the sinusoid of a timestep


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, memory=None):
        """x: [B, T, D]; memory: [B, S, D], x itself by default."""
        memory = x if memory is None else memory
        q, k, v = self.to_q(x), self.to_k(memory), self.to_v(memory)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        weights = (q @ k.mT * q.shape[-1] ** -0.5).float().softmax(-1).to(v.dtype)
        return self.to_out[0]((weights @ v).transpose(1, 2).flatten(2))


class Gelu(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, inner)

    def forward(self, x):
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        # The empty place is where diffusers keeps its dropout.
        self.net = nn.ModuleList([Gelu(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class Mlp(nn.Module):
    """linear_1, an activation, linear_2: the timestep's and the caption's projection."""

    def __init__(self, inward, width, activation):
        super().__init__()
        self.linear_1 = nn.Linear(inward, width)
        self.linear_2 = nn.Linear(width, width)
        self.activation = activation

    def forward(self, x):
        return self.linear_2(self.activation(self.linear_1(x)))


class PatchEmbed(nn.Module):
    """Square patches of [B, C, h, w] to tokens [B, (h/p)(w/p), D], positions added."""

    def __init__(self, channels, width, patch, side):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)
        self.register_buffer("positions", grid_positions(width, side // patch), persistent=False)

    def forward(self, latents):
        return self.proj(latents).flatten(2).mT + self.positions


def time_sinusoid(timestep, shift):
    """[B, TIME_SIZE]: cosines, then sines. shift: 1 in DiT, 0 in Latte."""
    half = TIME_SIZE // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000) / (half - shift)))
    angles = timestep.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def line_positions(width, places):
    """[len(places), width]: sines, then cosines."""
    rates = 10000 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = torch.outer(places.double(), rates)
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def grid_positions(width, side):
    """[side * side, width]: the column's half, then the row's."""
    place = torch.arange(side)
    across, down = place.repeat(side), place.repeat_interleave(side)
    return torch.cat([line_positions(width // 2, across), line_positions(width // 2, down)], dim=1)


def layer_norm(x, eps):
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def modulate(x, shift, scale):
    return x * (1 + scale) + shift


def unpatchify(tokens, patch, side):
    """[B, (side/p)^2, p*p*C], each row in the order (row, column, channel), to [B, C, side, side]."""
    count = side // patch
    x = tokens.unflatten(1, (count, count)).unflatten(3, (patch, patch, -1))
    return x.permute(0, 5, 1, 3, 2, 4).reshape(len(tokens), -1, side, side)


def start_weights(model):
    """Small random matrices; the caller then zeroes what must begin as nothing."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)


def zero(*layers):
    for layer in layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
