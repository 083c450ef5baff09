"""Mistakes that an implementation of the diffusion models could make, each as the largest move of what
the goldens hold, in standard deviations: all must be far above the tolerance of the tests. The two
forms of GELU differ by less than 5e-4 anywhere, so that exchanging them shows, but not tenfold: FAINT."""

import copy

import diffusion_stages
import torch
from torch import nn


FAINT = ("GELU of erf", "GELU of tanh")


def difference(found, wanted):
    """Largest, in standard deviations of what is wanted."""
    return float((found - wanted).abs().max() / wanted.std())


def swap_rows(tensor, one, other, parts):
    """Exchanges two of `parts` equal parts along the first axis (of a table: its rows)."""
    rows = tensor.data.reshape(parts, -1)
    rows[[one, other]] = rows[[other, one]].clone()


def exchange_axes(model):
    def exchanged(module, inputs, output):
        patches = module.proj(inputs[0]).flatten(2).transpose(1, 2)
        return patches + (output - patches).roll(output.shape[-1] // 2, -1)

    model.pos_embed.register_forward_hook(exchanged)


def next_base(model):
    model.pos_embed.base_size += 1


def scale_epsilons(model):
    for module in model.modules():
        if isinstance(module, nn.LayerNorm) or type(module).__name__ in ("RMSNorm", "T5LayerNorm"):
            name = "variance_epsilon" if hasattr(module, "variance_epsilon") else "eps"
            setattr(module, name, 10 * getattr(module, name))


def config_epsilon_everywhere(model):
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = model.config.norm_eps


def tanh_to_exact(model):
    for module in model.modules():
        if getattr(module, "approximate", None) == "tanh":
            module.approximate = "none"


def sinusoid(model):
    for module in model.modules():
        if hasattr(module, "downscale_freq_shift"):
            module.downscale_freq_shift = 1 - module.downscale_freq_shift


def sines_first(model):
    for module in model.modules():
        if hasattr(module, "flip_sin_to_cos"):
            module.flip_sin_to_cos = False


def silence(layer, part, parts):
    """The last block's gate becomes 1: as if it were left out."""
    layer.weight.data.reshape(parts, -1)[part] = 0
    layer.bias.data.reshape(parts, -1)[part] = 1


def common():
    yield "rows and columns of the positions exchanged", 0, exchange_axes
    yield "sinusoid with the other shift", 0, sinusoid
    yield "sines before cosines", 0, sines_first
    yield "GELU of erf", 0, tanh_to_exact


def grid():
    yield "positions of another base", 1, next_base
    yield "config's eps x10", 0, lambda model: [
        setattr(module, "eps", 10 * module.eps) for module in model.modules()
        if isinstance(module, nn.LayerNorm) and module.eps == model.config.norm_eps]
    yield "config's eps everywhere", 0, config_epsilon_everywhere


def dit():
    def norm(model):
        return model.transformer_blocks[0].norm1.linear

    def exchange(model):
        for tensor in norm(model).parameters():
            swap_rows(tensor, 0, 1, 6)

    def exchange_last(model):
        for tensor in model.proj_out_1.parameters():
            swap_rows(tensor, 0, 1, 2)

    def next_label(model):
        for block in model.transformer_blocks:
            table = block.norm1.emb.class_embedder.embedding_table.weight
            table.data = table.data.roll(1, 0)

    yield "shift and scale exchanged", 0, exchange
    yield "last shift and scale exchanged", 0, exchange_last
    yield "no gate of attention", 0, lambda model: silence(norm(model), 2, 6)
    yield "no gate of the MLP", 0, lambda model: silence(model.transformer_blocks[-1].norm1.linear, 5, 6)
    yield "the label before", 0, next_label


def tables():
    """PixArt and Latte."""
    def blocks(model):
        return [*model.transformer_blocks, *getattr(model, "temporal_transformer_blocks", [])]

    def exchange(model):
        for tensor in [*model.adaln_single.linear.parameters(),
                       *(block.scale_shift_table for block in blocks(model))]:
            swap_rows(tensor, 0, 1, 6)

    def no_gate(model):
        silence(model.adaln_single.linear, 2, 6)
        for block in blocks(model):
            block.scale_shift_table.data[2] = 0

    def gate_of_cross(model):
        for block in model.transformer_blocks:
            gate = block.scale_shift_table.data[2]
            block.attn2.to_out[0].weight.data *= gate[:, None]
            block.attn2.to_out[0].bias.data *= gate

    def norm_of_cross(model):
        for block in model.transformer_blocks:
            attend = block.attn2.forward
            block.attn2.forward = lambda rows, *args, attend=attend, **kwargs: attend(
                nn.functional.layer_norm(rows, rows.shape[-1:]), *args, **kwargs)

    yield "shift and scale exchanged", 0, exchange
    yield "last shift and scale exchanged", 0, lambda model: swap_rows(model.scale_shift_table, 0, 1, 2)
    yield "no gate of attention", 0, no_gate
    yield "cross attention with a gate", 0, gate_of_cross
    yield "cross attention with a norm", 0, norm_of_cross
    yield "no table in the last block", 0, lambda model: blocks(model)[-1].scale_shift_table.data.zero_()


def sizes():
    def exchange(model):
        embedders = model.adaln_single.emb
        embedders.resolution_embedder, embedders.aspect_ratio_embedder = (
            embedders.aspect_ratio_embedder, embedders.resolution_embedder)

    yield "embedders of size and aspect exchanged", 1, exchange
    yield "interpolation left out", 1, lambda model: setattr(model.pos_embed, "interpolation_scale", 1)


def video():
    yield "no positions of frames", 0, lambda model: model.temp_pos_embed.zero_()
    yield "positions of frames from 1", 0, lambda model: model.temp_pos_embed.copy_(
        model.temp_pos_embed.roll(-1, 1))


def joint():
    def exchange(model):
        for tensor in model.transformer_blocks[0].norm1.linear.parameters():
            swap_rows(tensor, 0, 1, tensor.shape[0] // 24)

    def exchange_last(model):
        for tensor in model.norm_out.linear.parameters():
            swap_rows(tensor, 0, 1, 2)

    def exchange_last_context(model):
        for tensor in model.transformer_blocks[-1].norm1_context.linear.parameters():
            swap_rows(tensor, 0, 1, 2)

    def corner(model):
        table = model.pos_embed
        size = table.pos_embed_max_size
        grid = table.pos_embed.reshape(1, size, size, -1).roll((1, 1), (1, 2))
        table.pos_embed = grid.reshape(table.pos_embed.shape)

    yield "shift and scale exchanged", 0, exchange
    yield "last shift and scale exchanged", 0, exchange_last
    yield "last scale and shift of the context exchanged", 0, exchange_last_context
    yield "no gate of attention", 0, lambda model: silence(
        model.transformer_blocks[0].norm1.linear, 2,
        model.transformer_blocks[0].norm1.linear.bias.shape[0] // 24)
    yield "no gate of the context", 0, lambda model: silence(
        model.transformer_blocks[0].norm1_context.linear, 2, 6)
    yield "positions cropped one off", 1, corner


def dual():
    yield "eps x10", 0, scale_epsilons
    yield "no second gate", 0, lambda model: silence(model.transformer_blocks[0].norm1.linear, 8, 9)

    def exchange(model):
        for block in model.transformer_blocks[:-1]:
            block.attn.norm_q, block.attn.norm_k = block.attn.norm_k, block.attn.norm_q

    def exchange_context(model):
        for block in model.transformer_blocks:
            block.attn.norm_added_q, block.attn.norm_q = block.attn.norm_q, block.attn.norm_added_q

    yield "gains of q and k exchanged", 0, exchange
    yield "gains of context and image exchanged", 0, exchange_context


def mistakes(spec):
    """(name, case, change of a transformer)."""
    yield from common()
    if spec.pipeline == "StableDiffusion3Pipeline":
        yield from joint()
        if spec.name == "sd3_dual":
            yield from dual()
        return
    yield from grid()
    yield from dit() if spec.pipeline == "DiTPipeline" else tables()
    if spec.pipeline == "LattePipeline":
        yield from video()
    if spec.name == "pixart_sizes":
        yield from sizes()


def vae_moves(model, parts, golden):
    def epsilons(vae):
        for module in vae.decoder.modules():
            if isinstance(module, nn.GroupNorm):
                module.eps *= 10

    def groups(vae):
        for module in vae.decoder.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups //= 2

    def exchange(vae):
        block = vae.decoder.mid_block
        block.resnets[0], block.resnets[1] = block.resnets[1], block.resnets[0]

    for name, change in [("VAE eps x10", epsilons), ("half as many groups", groups),
                         ("resnets of the middle exchanged", exchange)]:
        other = copy.deepcopy(parts["vae"])
        change(other)
        found = diffusion_stages.vae_stages(other, golden["vae_0.latents"])["pixels"]
        yield name, difference(found, golden["vae_0.pixels"])


def text_moves(model, parts, golden):
    def attention(encoder):
        return encoder.encoder.block[0].layer[0].SelfAttention

    def scaled(encoder):
        for block in encoder.encoder.block:
            block.layer[0].SelfAttention.q.weight.data /= block.layer[0].SelfAttention.key_value_proj_dim**0.5

    def one_direction(encoder):
        table = attention(encoder).relative_attention_bias.weight
        table.data = table.data.roll(16, 0)

    def farther(encoder):
        attention(encoder).relative_attention_max_distance *= 2

    for name, change in [("T5 eps x10", scale_epsilons), ("T5 with scaled scores", scaled),
                         ("T5 buckets of the other direction", one_direction),
                         ("T5 with farther buckets", farther)]:
        other = copy.deepcopy(parts["text_encoder"])
        change(other)
        found = diffusion_stages.text_stages(
            other, parts["transformer"].caption_projection, golden["prompt_2.ids"].tolist())
        yield name, difference(found["hidden"], golden["prompt_2.hidden"])


def moved(model, parts, golden):
    """(mistake, how far it moves an answer)."""
    for name, case, change in mistakes(model.spec):
        other = copy.deepcopy(parts["transformer"])
        change(other)
        prefix = f"case_{case}."
        inputs = {key.removeprefix(prefix): value for key, value in golden.items()
                  if key.startswith(prefix)}
        found = model.call(other, inputs)["output"]
        yield name, difference(found, inputs["output"])
    if "vae_0.latents" in golden:
        yield from vae_moves(model, parts, golden)
    if "prompt_2.ids" in golden:
        yield from text_moves(model, parts, golden)
    if model.spec.pipeline == "DiTPipeline":
        answers = [model.call(parts["transformer"],
                              {"latents": golden["run_0.noise"], "timestep": golden["run_0.timesteps"][:1],
                               "label": torch.tensor([label])})["output"][:4] for label in (3, 10)]
        conditional, unconditional = answers
        assert torch.allclose(unconditional + 4 * (conditional - unconditional),
                              golden["run_0.guided_0"], atol=1e-4)
        yield "guidance the wrong way round", difference(
            conditional + 4 * (unconditional - conditional), golden["run_0.guided_0"])
