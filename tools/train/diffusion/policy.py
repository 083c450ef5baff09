"""The diffusion policy transformer (Chi et al., 2023) in plain torch, under the tensor names of its
authors' TransformerForDiffusion with time and observations as condition and no encoder layers.

Axes: B samples, T actions of the horizon, To observations, Da action size, Do observation size,
n width.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass(frozen=True)
class Shape:
    n_layer: int = 5
    n_head: int = 4
    n_emb: int = 128
    horizon: int = 16
    n_obs_steps: int = 2
    n_action_steps: int = 8
    action_dim: int = 2
    obs_dim: int = 6


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * 0.02)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, memory, mask):
        """x: [B, T, n]; memory: [B, S, n]; mask: [T, S], added to the scores."""
        width = x.shape[-1]
        if memory is x:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            q = F.linear(x, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.mT) * q.shape[-1] ** -0.5 + mask
        mixed = scores.float().softmax(-1).to(v.dtype) @ v
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape.n_emb
        self.self_attn = Attention(width, shape.n_head)
        self.multihead_attn = Attention(width, shape.n_head)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x, memory, mask, memory_mask):
        inner = self.norm1(x)
        x = x + self.self_attn(inner, inner, mask)
        x = x + self.multihead_attn(self.norm2(x), memory, memory_mask)
        return x + self.linear2(F.gelu(self.linear1(self.norm3(x))))


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.n_layer))


class PolicyTransformer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        width, memory = shape.n_emb, 1 + shape.n_obs_steps
        self.input_emb = nn.Linear(shape.action_dim, width)
        self.pos_emb = nn.Parameter(torch.randn(1, shape.horizon, width) * 0.02)
        self.cond_obs_emb = nn.Linear(shape.obs_dim, width)
        self.cond_pos_emb = nn.Parameter(torch.randn(1, memory, width) * 0.02)
        self.encoder = nn.Sequential(nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
        self.decoder = Decoder(shape)
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, shape.action_dim)
        t, s = torch.arange(shape.horizon)[:, None], torch.arange(memory)[None, :]
        self.register_buffer("mask", additive(t >= torch.arange(shape.horizon)), persistent=False)
        self.register_buffer("memory_mask", additive(t >= s - 1), persistent=False)

    def forward(self, x, timestep, observations):
        """x: [B, T, Da] noisy actions; timestep: [B]; observations: [B, To, Do]; returns the noise."""
        time = sinusoid(timestep, self.shape.n_emb)[:, None]
        memory = torch.cat([time, self.cond_obs_emb(observations)], dim=1) + self.cond_pos_emb
        memory = self.encoder(memory)
        x = self.input_emb(x) + self.pos_emb
        for layer in self.decoder.layers:
            x = layer(x, memory, self.mask, self.memory_mask)
        return self.head(self.ln_f(x))


def additive(visible):
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))


def sinusoid(timestep, width):
    """[B, width]: sines, then cosines."""
    half = width // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1)))
    angles = timestep.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
