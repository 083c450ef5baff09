"""The video transformer (Ma et al., 2024) in plain torch, under the names of diffusers'
LatteTransformer3DModel: blocks over the patches of a frame alternate with blocks over the frames of
a patch; the former also look at the prompt.

Axes: B videos, F frames, N tokens of a frame, D width, C latent channels, S prompt tokens.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from blocks import (
    TIME_SIZE, Attention, FeedForward, Mlp, PatchEmbed, layer_norm, line_positions, modulate,
    start_weights, time_sinusoid, unpatchify, zero,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shape:
    num_layers: int = 4
    num_attention_heads: int = 3
    attention_head_dim: int = 32
    in_channels: int = 4
    patch_size: int = 2
    sample_size: int = 8
    video_length: int = 16
    caption_channels: int = 64
    norm_eps: float = 1e-6

    @property
    def width(self):
        return self.num_attention_heads * self.attention_head_dim


class Block(nn.Module):
    def __init__(self, shape, cross):
        super().__init__()
        width, heads = shape.width, shape.num_attention_heads
        self.scale_shift_table = nn.Parameter(torch.zeros(6, width))
        self.attn1 = Attention(width, heads)
        self.attn2 = Attention(width, heads) if cross else None
        self.ff = FeedForward(width)
        self.norm_eps = shape.norm_eps

    def forward(self, x, modulation, prompt=None):
        """x: [rows, tokens, D]; modulation: [rows, 6, D]; prompt: [rows, S, D]."""
        six = (self.scale_shift_table + modulation).chunk(6, dim=1)
        shift, scale, gate, shift2, scale2, gate2 = six
        x = x + gate * self.attn1(modulate(layer_norm(x, self.norm_eps), shift, scale))
        if self.attn2 is not None:
            x = x + self.attn2(x, prompt)
        return x + gate2 * self.ff(modulate(layer_norm(x, self.norm_eps), shift2, scale2))


class TimeEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.timestep_embedder = Mlp(TIME_SIZE, width, F.silu)


class AdaLayerNorm(nn.Module):
    """One modulation for all blocks, which each shifts by its own table."""

    def __init__(self, width):
        super().__init__()
        self.emb = TimeEmbedding(width)
        self.linear = nn.Linear(width, 6 * width)

    def forward(self, timestep):
        embedded = self.emb.timestep_embedder(time_sinusoid(timestep, shift=0))
        return self.linear(F.silu(embedded)).unflatten(1, (6, -1)), embedded


class VideoTransformer(nn.Module):
    def __init__(self, shape=Shape()):
        super().__init__()
        self.shape, width = shape, shape.width
        self.pos_embed = PatchEmbed(shape.in_channels, width, shape.patch_size, shape.sample_size)
        self.adaln_single = AdaLayerNorm(width)
        self.caption_projection = Mlp(
            shape.caption_channels, width, lambda x: F.gelu(x, approximate="tanh")
        )
        block = lambda cross: nn.ModuleList(Block(shape, cross) for _ in range(shape.num_layers))
        self.transformer_blocks = block(True)
        self.temporal_transformer_blocks = block(False)
        self.scale_shift_table = nn.Parameter(torch.zeros(2, width))
        # LattePipeline throws the second half of the channels away, so it must exist.
        self.proj_out = nn.Linear(width, shape.patch_size**2 * 2 * shape.in_channels)
        moments = line_positions(width, torch.arange(shape.video_length))
        self.register_buffer("moments", moments, persistent=False)
        start_weights(self)
        silent = [b.attn2.to_out[0] for b in self.transformer_blocks]
        zero(self.adaln_single.linear, self.proj_out, *silent)

    def forward(self, latents, timestep, prompt):
        """latents: [B, C, F, h, w]; timestep: [B]; prompt: [B, S, caption_channels]. Returns the
        noise [B, C, F, h, w]."""
        count, _, frames = latents.shape[:3]
        modulation, embedded = self.adaln_single(timestep)
        prompt = self.caption_projection(prompt).repeat_interleave(frames, dim=0)
        x = self.pos_embed(latents.transpose(1, 2).flatten(0, 1))
        per_frame = modulation.repeat_interleave(frames, dim=0)
        per_patch = modulation.repeat_interleave(x.shape[1], dim=0)
        pairs = zip(self.transformer_blocks, self.temporal_transformer_blocks)
        for index, (spatial, temporal) in enumerate(pairs):
            x = regroup(spatial(x, per_frame, prompt), count)
            x = x + self.moments[:frames] if index == 0 else x
            x = regroup(temporal(x, per_patch), count)
        ends = self.scale_shift_table + embedded[:, None]
        shift, scale = ends.repeat_interleave(frames, dim=0).chunk(2, dim=1)
        x = self.proj_out(modulate(layer_norm(x, 1e-6), shift, scale))
        x = unpatchify(x, self.shape.patch_size, self.shape.sample_size)
        return x.unflatten(0, (count, frames)).transpose(1, 2)[:, : self.shape.in_channels]


def regroup(x, count):
    """[(B P), Q, D] to [(B Q), P, D]."""
    return x.unflatten(0, (count, -1)).transpose(1, 2).flatten(0, 1)


def config_of(shape):
    return {
        "_class_name": "LatteTransformer3DModel",
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "attention_head_dim": shape.attention_head_dim,
        "caption_channels": shape.caption_channels,
        "cross_attention_dim": shape.width,
        "dropout": 0.0,
        "in_channels": shape.in_channels,
        "norm_elementwise_affine": False,
        "norm_eps": shape.norm_eps,
        "norm_type": "ada_norm_single",
        "num_attention_heads": shape.num_attention_heads,
        "num_embeds_ada_norm": 1000,
        "num_layers": shape.num_layers,
        "out_channels": 2 * shape.in_channels,
        "patch_size": shape.patch_size,
        "sample_size": shape.sample_size,
        "video_length": shape.video_length,
    }
