"""The class-conditional picture transformer (Peebles and Xie, 2023) as diffusers' DiTTransformer2DModel.

diffusers gives every block its own copy of the timestep and class embedders; here there is one, and
`diffusers_tensors` writes the copies. Axes: B latents, N tokens, D width, C latent channels.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from blocks import (
    TIME_SIZE, Attention, FeedForward, Mlp, PatchEmbed, layer_norm, modulate, start_weights,
    time_sinusoid, unpatchify, zero,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shape:
    num_layers: int = 8
    num_attention_heads: int = 3
    attention_head_dim: int = 32
    in_channels: int = 4
    patch_size: int = 2
    sample_size: int = 16
    classes: int = 10
    norm_eps: float = 1e-5

    @property
    def width(self):
        return self.num_attention_heads * self.attention_head_dim


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 6 * width)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.norm1 = Norm(shape.width)
        self.attn1 = Attention(shape.width, shape.num_attention_heads)
        self.ff = FeedForward(shape.width)
        self.norm_eps = shape.norm_eps

    def forward(self, x, condition):
        """x: [B, N, D]; condition: [B, 1, D], after SiLU."""
        shift, scale, gate, shift2, scale2, gate2 = self.norm1.linear(condition).chunk(6, dim=-1)
        x = x + gate * self.attn1(modulate(layer_norm(x, 1e-6), shift, scale))
        return x + gate2 * self.ff(modulate(layer_norm(x, self.norm_eps), shift2, scale2))


class PictureTransformer(nn.Module):
    def __init__(self, shape=Shape()):
        super().__init__()
        self.shape, width = shape, shape.width
        self.pos_embed = PatchEmbed(shape.in_channels, width, shape.patch_size, shape.sample_size)
        self.timestep_embedder = Mlp(TIME_SIZE, width, F.silu)
        self.class_table = nn.Embedding(shape.classes + 1, width)  # the last is no class
        self.transformer_blocks = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.proj_out_1 = nn.Linear(width, 2 * width)
        self.proj_out_2 = nn.Linear(width, shape.patch_size**2 * shape.in_channels)
        start_weights(self)
        zero(self.proj_out_1, self.proj_out_2, *(b.norm1.linear for b in self.transformer_blocks))

    def forward(self, latents, timestep, label):
        """latents: [B, C, h, w]; timestep, label: [B]; returns the noise [B, C, h, w]."""
        time = self.timestep_embedder(time_sinusoid(timestep, shift=1))
        condition = F.silu(time + self.class_table(label))[:, None]
        x = self.pos_embed(latents)
        for block in self.transformer_blocks:
            x = block(x, condition)
        shift, scale = self.proj_out_1(condition).chunk(2, dim=-1)
        x = self.proj_out_2(modulate(layer_norm(x, 1e-6), shift, scale))
        return unpatchify(x, self.shape.patch_size, self.shape.sample_size)


def config_of(shape):
    return {
        "_class_name": "DiTTransformer2DModel",
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "attention_head_dim": shape.attention_head_dim,
        "dropout": 0.0,
        "in_channels": shape.in_channels,
        "norm_elementwise_affine": False,
        "norm_eps": shape.norm_eps,
        "norm_num_groups": 32,
        "norm_type": "ada_norm_zero",
        "num_attention_heads": shape.num_attention_heads,
        "num_embeds_ada_norm": shape.classes,
        "num_layers": shape.num_layers,
        "out_channels": shape.in_channels,
        "patch_size": shape.patch_size,
        "sample_size": shape.sample_size,
        "upcast_attention": False,
    }


def diffusers_tensors(model):
    """{name: tensor} as DiTTransformer2DModel has them."""
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.startswith(("timestep_embedder", "class_table")):
            name = name.replace("class_table", "class_embedder.embedding_table")
            for block in range(model.shape.num_layers):
                tensors[f"transformer_blocks.{block}.norm1.emb.{name}"] = tensor.clone()
        else:
            tensors[name] = tensor
    return tensors
