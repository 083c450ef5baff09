"""Whole guided runs through diffusers' own pipelines, with and without their own pyramid attention
broadcast; names in tests/golden/diffusion/README.md."""

import contextlib
from dataclasses import dataclass, field

import diffusers
import torch
from diffusers.pipelines.dit import pipeline_dit

STEPS = 20
KEPT_STEPS = [0, 1, 10, 19]
LABELS_IN_PIPELINE = 1000  # DiTPipeline's null class, whatever the model's


@dataclass
class Run:
    """What one run is asked: tensors without a batch axis; prompts hold only true tokens."""
    noise: torch.Tensor
    guidance: float
    label: int = 0
    text: str = None
    negative_text: str = None
    prompt: torch.Tensor = None
    negative_prompt: torch.Tensor = None
    pooled: torch.Tensor = None
    negative_pooled: torch.Tensor = None
    pixels: bool = True


@dataclass
class Trace:
    """What a run showed on its way."""
    timesteps: list = field(default_factory=list)
    guided: list = field(default_factory=list)
    latents: list = field(default_factory=list)
    pixels: torch.Tensor = None
    computed: dict = field(default_factory=dict)  # (kind, block) -> steps whose attention ran


def padded(rows, length):
    """[1, length, width] and its mask [1, length]."""
    out = torch.zeros(1, length, rows.shape[1], dtype=rows.dtype)
    mask = torch.zeros(1, length)
    out[0, : len(rows)], mask[0, : len(rows)] = rows, 1
    return out, mask


def encoded(parts, text, length=120):
    """What PixArtAlphaPipeline.encode_prompt makes of a text: padded, with a mask."""
    ids = parts["prompts"].ids(text, length)
    tokens, mask = torch.zeros(1, length, dtype=torch.long), torch.zeros(1, length)
    tokens[0, : len(ids)], mask[0, : len(ids)] = torch.tensor(ids), 1
    with torch.no_grad():
        return parts["text_encoder"](tokens, attention_mask=mask).last_hidden_state, mask


def dit(parts, run):
    pipe = diffusers.DiTPipeline(parts["transformer"], parts["vae"], parts["scheduler"])
    pipeline_dit.randn_tensor = lambda *_, **__: run.noise[None]
    return pipe, {"class_labels": [run.label], "output_type": "pt"}


def pixart(parts, run):
    pipe = diffusers.PixArtAlphaPipeline(None, parts.get("text_encoder"), parts["vae"],
                                         parts["transformer"], parts["scheduler"])
    if run.text is None:
        length = max(len(run.prompt), len(run.negative_prompt)) + 2
        prompt, mask = padded(run.prompt, length)
        negative, negative_mask = padded(run.negative_prompt, length)
    else:
        prompt, mask = encoded(parts, run.text)
        negative, negative_mask = encoded(parts, run.negative_text)
    return pipe, {"prompt_embeds": prompt, "prompt_attention_mask": mask,
                  "negative_prompt": None, "negative_prompt_embeds": negative,
                  "negative_prompt_attention_mask": negative_mask, "clean_caption": False,
                  "use_resolution_binning": False} | sized(run)


def latte(parts, run):
    pipe = diffusers.LattePipeline(None, None, parts["vae"], parts["transformer"],
                                   parts["scheduler"])
    return pipe, {"prompt_embeds": run.prompt[None], "negative_prompt": None,
                  "negative_prompt_embeds": run.negative_prompt[None], "clean_caption": False,
                  "mask_feature": False, "video_length": run.noise.shape[1]} | sized(run)


def sd3(parts, run):
    pipe = diffusers.StableDiffusion3Pipeline(
        parts["transformer"], parts["scheduler"], parts["vae"], *[None] * 6)
    return pipe, {"prompt_embeds": run.prompt[None],
                  "negative_prompt_embeds": run.negative_prompt[None],
                  "pooled_prompt_embeds": run.pooled[None],
                  "negative_pooled_prompt_embeds": run.negative_pooled[None]} | sized(run)


def sized(run):
    return {"latents": run.noise[None], "height": 8 * run.noise.shape[-2],
            "width": 8 * run.noise.shape[-1], "output_type": "pt" if run.pixels else "latent"}


PIPELINES = {"DiTPipeline": dit, "PixArtAlphaPipeline": pixart, "LattePipeline": latte,
             "StableDiffusion3Pipeline": sd3}


def attentions(transformer):
    """(kind, block, module) of every attention: kinds by what they do, not by diffusers' names."""
    for rank, block in enumerate(transformer.transformer_blocks):
        yield "self", rank, block.attn1 if hasattr(block, "attn1") else block.attn
        if getattr(block, "attn2", None) is not None and hasattr(block, "attn1"):
            yield "cross", rank, block.attn2
    for rank, block in enumerate(getattr(transformer, "temporal_transformer_blocks", [])):
        yield "temporal", rank, block.attn1


@contextlib.contextmanager
def recorded(parts, trace):
    """Watches the solver and every attention of a run."""
    transformer, scheduler = parts["transformer"], parts["scheduler"]
    step, handles = scheduler.step, []

    def watched_step(answer, timestep, latents, *args, **kwargs):
        result = step(answer, timestep, latents, *args, **kwargs)
        trace.guided.append(answer[0].detach().clone())
        trace.latents.append(result[0][0].detach().clone())
        return result

    def before(module, args, kwargs):
        trace.timesteps.append(float(kwargs["timestep"][0]))
        labels = kwargs.get("class_labels")
        if labels is not None:
            null = module.config.num_embeds_ada_norm
            kwargs["class_labels"] = torch.where(labels == LABELS_IN_PIPELINE, null, labels)
        return args, kwargs

    scheduler.step = watched_step
    handles.append(transformer.register_forward_pre_hook(before, with_kwargs=True))
    for kind, rank, module in attentions(transformer):
        steps = trace.computed.setdefault((kind, rank), [])
        handles.append(module.to_q.register_forward_hook(
            lambda *_, steps=steps: steps.append(len(trace.timesteps) - 1)))
    yield
    scheduler.step = step
    for handle in handles:
        handle.remove()


def make_run(pipeline, parts, run, cache=None):
    """Trace of `run`; `cache`: settings of PyramidAttentionBroadcastConfig. `parts` are used up by a
    run with a cache."""
    trace = Trace()
    pipe, arguments = PIPELINES[pipeline](parts, run)
    pipe.set_progress_bar_config(disable=True)
    if cache:
        diffusers.apply_pyramid_attention_broadcast(
            parts["transformer"], diffusers.PyramidAttentionBroadcastConfig(
                **cache, current_timestep_callback=lambda: trace.timesteps[-1]))
    with recorded(parts, trace), torch.no_grad():
        pixels = pipe(num_inference_steps=STEPS, guidance_scale=run.guidance, return_dict=False,
                      **arguments)[0]
    if run.pixels:
        trace.pixels = pixels[0]
    return trace


def cache_settings(ranges, window):
    names = ["spatial", "temporal", "cross"]
    return {f"{name}_attention_block_skip_range": width or None
            for name, width in zip(names, ranges)} | {
                f"{name}_attention_timestep_skip_range": window for name in names}


def golden_latents(trace):
    return {f"latents_{step}": trace.latents[step].contiguous() for step in KEPT_STEPS}


def golden_run(run, trace, scheduler):
    golden = {"noise": run.noise, "guidance": torch.tensor([run.guidance]),
              "timesteps": torch.tensor(trace.timesteps), "guided_0": trace.guided[0]}
    if run.text is not None:
        golden |= {"text": text_tensor(run.text), "negative_text": text_tensor(run.negative_text)}
    elif run.prompt is None:
        golden["label"] = torch.tensor([run.label], dtype=torch.int32)
    for name in ["prompt", "negative_prompt", "pooled", "negative_pooled"]:
        if getattr(run, name) is not None:
            golden[name] = getattr(run, name)
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        golden["sigmas"] = scheduler.sigmas.clone()
    if trace.pixels is not None:
        golden["pixels"] = trace.pixels
    return {name: tensor.contiguous() for name, tensor in (golden | golden_latents(trace)).items()}


def golden_cache(ranges, window, trace):
    golden = {"ranges": torch.tensor(ranges, dtype=torch.int32),
              "window": torch.tensor(window, dtype=torch.int32)}
    blocks = 1 + max(rank for _, rank in trace.computed)
    for (kind, rank), steps in trace.computed.items():
        table = golden.setdefault(f"trace_{kind}", torch.zeros(STEPS, blocks, dtype=torch.int32))
        table[steps, rank] = 1
    return golden | golden_latents(trace)


def text_tensor(text):
    return torch.tensor(list(text.encode()), dtype=torch.uint8)
