"""One call of a diffusion transformer, seen after every stage; names in tests/golden/diffusion/README.md."""

import torch


class Finished(Exception):
    """Ends DiT's forward before its unpatchify, which takes every picture for a square."""


class Stages:
    """Calls `model` with the given rows and keeps what passes its modules, f32, batch of one."""

    def __init__(self, model, pipeline):
        self.model, self.kept = model, {}
        self.video = pipeline == "LattePipeline"
        self.joint = pipeline == "StableDiffusion3Pipeline"
        self.dit = pipeline == "DiTPipeline"
        self.handles = []

    def watch(self, module, take):
        self.handles.append(module.register_forward_hook(
            lambda _, inputs, output: take(inputs, output)))

    def keep(self, name, tensor):
        self.kept[name] = tensor.detach().reshape(-1, tensor.shape[-1]).contiguous()

    def keep_vector(self, name, tensor):
        self.kept[name] = tensor.detach().reshape(-1).contiguous()

    def watch_streams(self):
        model = self.model
        self.watch(model.pos_embed, lambda _, out: self.keep("embedded", out))
        for rank, block in enumerate(model.transformer_blocks):
            self.watch(block, lambda _, out, rank=rank: self.keep_block(rank, out))
        for rank, block in enumerate(getattr(model, "temporal_transformer_blocks", [])):
            self.watch(block, lambda _, out, rank=rank:
                       self.keep(f"temporal_{rank}", out.transpose(0, 1)))
        if self.joint:
            self.watch(model.context_embedder, lambda _, out: self.keep("context", out))
        elif not self.dit:
            self.watch(model.caption_projection, lambda _, out: self.keep("context", out))

    def keep_block(self, rank, out):
        if not self.joint:
            self.keep(f"block_{rank}", out)
            return
        context, image = out
        self.keep(f"block_{rank}", image)
        if context is not None:
            self.keep(f"context_{rank}", context)

    def watch_conditioning(self):
        model = self.model
        if self.dit:
            self.watch(model.transformer_blocks[0].norm1.emb,
                       lambda _, out: self.keep_vector("conditioning", out))
            self.watch(model.proj_out_1, lambda _, out: self.keep_vector("final_modulation", out))
            for rank, block in enumerate(model.transformer_blocks):
                self.watch(block.norm1.linear,
                           lambda _, out, rank=rank: self.keep_vector(f"modulation_{rank}", out))
        elif self.joint:
            self.watch(model.time_text_embed, lambda _, out: self.keep_vector("conditioning", out))
            self.watch(model.norm_out.linear,
                       lambda _, out: self.keep_vector("final_modulation", out))
            for rank, block in enumerate(model.transformer_blocks):
                self.watch(block.norm1.linear,
                           lambda _, out, rank=rank: self.keep_vector(f"modulation_{rank}", out))
                self.watch(block.norm1_context.linear, lambda _, out, rank=rank:
                           self.keep_vector(f"context_modulation_{rank}", out))
        else:
            self.watch(model.adaln_single, lambda _, out: self.keep_tables(*out))

    def keep_tables(self, six, conditioning):
        """Sums of the one modulation and every block's table, as the blocks use them."""
        model = self.model
        self.keep_vector("conditioning", conditioning)
        self.keep_vector("final_modulation", model.scale_shift_table + conditioning)
        for name, blocks in [("modulation", model.transformer_blocks),
                             ("temporal_modulation",
                              getattr(model, "temporal_transformer_blocks", []))]:
            for rank, block in enumerate(blocks):
                self.keep_vector(f"{name}_{rank}", block.scale_shift_table.reshape(1, -1) + six)

    def stack_modulations(self):
        if self.joint:
            return
        for name in ["modulation", "temporal_modulation"]:
            rows = [self.kept.pop(f"{name}_{rank}")
                    for rank in range(len(self.model.transformer_blocks))
                    if f"{name}_{rank}" in self.kept]
            if rows:
                self.kept[name] = torch.stack(rows)

    def finish(self, rows):
        self.answers = rows
        raise Finished

    def output(self, latents):
        """DiT's answer for any height and width."""
        _, _, height, width = latents.shape
        patch, channels = self.model.config.patch_size, self.model.out_channels
        grid = self.answers.reshape(height // patch, width // patch, patch, patch, channels)
        return grid.permute(4, 0, 2, 1, 3).reshape(channels, height, width)

    def call(self, latents, **arguments):
        """{stage: tensor} of one row; `arguments` as the model's forward takes them."""
        self.kept = {}
        self.watch_streams()
        self.watch_conditioning()
        if self.dit:
            self.watch(self.model.proj_out_2, lambda _, out: self.finish(out[0]))
        with torch.no_grad():
            try:
                output = self.model(latents, **arguments).sample[0]
            except Finished:
                output = self.output(latents)
        for handle in self.handles:
            handle.remove()
        self.handles = []
        self.stack_modulations()
        return self.kept | {"output": output.contiguous()}


def vae_stages(model, latents):
    """The decoder alone, [C, h, w] of one picture."""
    kept, handles = {}, []
    decoder = model.decoder
    parts = [("conv_in", decoder.conv_in), ("mid", decoder.mid_block)]
    parts += [(f"up_{rank}", block) for rank, block in enumerate(decoder.up_blocks)]
    for name, module in parts:
        handles.append(module.register_forward_hook(
            lambda _, inputs, output, name=name: kept.update({name: output[0].contiguous()})))
    with torch.no_grad():
        kept["pixels"] = model.decode(latents[None]).sample[0].contiguous()
    for handle in handles:
        handle.remove()
    return {"latents": latents.contiguous()} | kept


def text_stages(encoder, projection, ids):
    """T5 on one prompt without padding, and what the transformer makes of it."""
    kept, handles = {}, []
    for rank, block in enumerate(encoder.encoder.block):
        handles.append(block.register_forward_hook(
            lambda _, inputs, output, rank=rank: kept.update(
                {f"t5_block_{rank}": (output[0] if isinstance(output, tuple) else output)
                 .reshape(len(ids), -1).contiguous()})))
    with torch.no_grad():
        hidden = encoder(input_ids=torch.tensor([ids])).last_hidden_state
        kept["hidden"] = hidden[0].contiguous()
        kept["caption"] = projection(hidden)[0].contiguous()
    for handle in handles:
        handle.remove()
    return {"ids": torch.tensor(ids, dtype=torch.int32)} | kept
