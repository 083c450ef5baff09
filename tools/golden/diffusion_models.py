"""Writes tests/golden/diffusion: small random diffusion models as folders of diffusers, each with what
diffusers computes from that very folder in f32; tests/golden/diffusion/README.md has the format.

    python tools/golden/diffusion_models.py [NAME ...]

The same seed gives the same files. Each model is checked to be worth its place: every mistake of
diffusion_mistakes.py must move the answer by over 10 times the tolerance of the tests.
"""

import copy
import pathlib
import shutil
import sys

import diffusers
import diffusion_folders
import diffusion_mistakes
import diffusion_policy
import diffusion_runs
import diffusion_stages
import torch
import transformers
from diffusion_mistakes import difference
from diffusion_runs import Run
from diffusion_specs import SPECS
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "diffusion"
CALL_TOLERANCE = 1e-4  # of the standard deviation of the answer of one call
RUN_TOLERANCE = 1e-3   # of that of the last latents of a run
# Height and width of the latents of each case, its timestep, and prompt tokens.
CASES = [(8, 8, 999.0, 5), (6, 10, 1.0, 1), (10, 4, 500.0, 17)]
WINDOW = (100, 800)
TEXTS = [
    "a small red boat on the sea",
    "",
    "A painted café: " + "the old wooden house beside a quiet river, " * 9 + "in the evening light.",
    "Two robots (1,5 m) under a ½ tree\t\u3000playing   slowly, \U0001f916?",
]


class Model:
    """An open folder, and the random inputs that its goldens are made of."""

    def __init__(self, spec, folder, generator):
        self.spec, self.folder, self.generator = spec, folder, generator
        config = spec.transformer
        self.channels = config["in_channels"]
        self.frames = config.get("video_length")
        self.width = config.get("caption_channels") or config.get("joint_attention_dim")
        self.pooled_width = config.get("pooled_projection_dim")

    def open(self, dtype=torch.float32):
        parts = {"transformer": diffusion_folders.open_transformer(self.folder, self.spec).to(dtype),
                 "vae": diffusion_folders.open_vae(self.folder).to(dtype),
                 "scheduler": diffusion_folders.open_scheduler(self.folder, self.spec)}
        if self.spec.text_encoder:
            parts["text_encoder"] = diffusion_folders.open_text_encoder(self.folder).to(dtype)
            parts["prompts"] = diffusion_folders.Prompts(self.folder)
        return parts

    def random(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def latents(self, height, width, frames=None):
        frames = frames or self.frames
        return self.random(self.channels, *([frames] if frames else []), height, width)

    def case(self, rank):
        """Inputs of case `rank`, without batch axes."""
        height, width, timestep, tokens = CASES[rank]
        frames = 1 if self.frames and rank == 2 else None
        inputs = {"latents": self.latents(height, width, frames),
                  "timestep": torch.tensor([timestep])}
        pipeline = self.spec.pipeline
        if pipeline == "DiTPipeline":
            inputs["label"] = torch.tensor([[3, 10, 0][rank]], dtype=torch.int32)
        else:
            inputs["prompt"] = self.random(tokens, self.width)
        if pipeline == "StableDiffusion3Pipeline":
            inputs["timestep"] += 0.375  # they need not be whole
            inputs["pooled"] = self.random(self.pooled_width)
        if self.spec.transformer["sample_size"] == 128:
            inputs["sizes"] = torch.tensor([8.0 * height, 8.0 * width, height / width])
        return inputs

    def arguments(self, inputs, dtype=torch.float32):
        """`inputs` as the transformer's forward takes them."""
        timestep = inputs["timestep"]
        if "pooled" in inputs:
            return {"timestep": timestep, "encoder_hidden_states": inputs["prompt"][None].to(dtype),
                    "pooled_projections": inputs["pooled"][None].to(dtype)}
        if "label" in inputs:
            return {"timestep": timestep.long(), "class_labels": inputs["label"].long()}
        arguments = {"timestep": timestep.long(),
                     "encoder_hidden_states": inputs["prompt"][None].to(dtype)}
        if not self.frames:
            sizes = inputs.get("sizes")
            arguments["added_cond_kwargs"] = {
                "resolution": None if sizes is None else sizes[None, :2].to(dtype),
                "aspect_ratio": None if sizes is None else sizes[None, 2:].to(dtype)}
        return arguments

    def call(self, transformer, inputs, dtype=torch.float32):
        stages = diffusion_stages.Stages(transformer, self.spec.pipeline)
        return stages.call(inputs["latents"][None].to(dtype), **self.arguments(inputs, dtype))

    def runs(self):
        if self.spec.pipeline == "DiTPipeline":
            return [Run(self.latents(8, 8), guidance=4.0, label=3),
                    Run(self.latents(8, 8), guidance=1.0, label=7, pixels=False)]
        if self.spec.text_encoder:
            return [Run(self.latents(6, 10), 4.5, text=TEXTS[0], negative_text=""),
                    Run(self.latents(8, 8), 2.0, text=TEXTS[3], negative_text="a dark photo",
                        pixels=False)]
        # Latte's pipeline takes prompts of one length.
        lengths = (5, 3) if self.spec.pipeline == "PixArtAlphaPipeline" else (7, 7)
        run = Run(self.latents(6, 10), 4.0, prompt=self.random(lengths[0], self.width),
                  negative_prompt=self.random(lengths[1], self.width))
        if self.pooled_width:
            run.pooled, run.negative_pooled = (self.random(self.pooled_width) for _ in range(2))
        return [run]

    def caches(self):
        """(spatial, temporal, cross) ranges; 0 = off."""
        if self.frames:
            return [(0, 3, 6), (2, 4, 6)]
        if self.spec.pipeline == "DiTPipeline":
            return [(2, 0, 0), (3, 0, 0)]
        return [(2, 0, 4)] if self.spec.pipeline == "PixArtAlphaPipeline" else []


def prefixed(name, tensors):
    return {f"{name}.{key}": value.contiguous() for key, value in tensors.items()}


def doubled(run):
    """The same run for a model in f64."""
    out = copy.copy(run)
    for name, value in vars(run).items():
        if isinstance(value, torch.Tensor):
            setattr(out, name, value.double())
    return out


def case_goldens(model, parts, precise, said):
    golden, noise = {}, 0.0
    for rank in range(len(CASES)):
        inputs = model.case(rank)
        kept = model.call(parts["transformer"], inputs)
        exact = model.call(precise["transformer"], inputs, torch.float64)
        noise = max(noise, *(difference(kept[name], exact[name]) for name in kept))
        golden |= prefixed(f"case_{rank}", inputs | kept)
    said.append(f"calls f32 against f64 {noise:.1e}")
    return golden


def run_goldens(model, parts, precise, said):
    golden, pipeline = {}, model.spec.pipeline
    for rank, run in enumerate(model.runs()):
        trace = diffusion_runs.make_run(pipeline, parts, run)
        exact = diffusion_runs.make_run(pipeline, precise, doubled(run))
        golden |= prefixed(f"run_{rank}", diffusion_runs.golden_run(run, trace, parts["scheduler"]))
        said.append(f"run {rank} f32 against f64 "
                    f"{difference(trace.latents[-1], exact.latents[-1]):.1e}, std of latents "
                    f"{float(trace.latents[-1].std()):.2f}, of answers {float(trace.guided[-1].std()):.2f}")
        if rank == 0:
            first, plain = run, trace
    for rank, ranges in enumerate(model.caches()):
        settings = diffusion_runs.cache_settings(ranges, WINDOW)
        trace = diffusion_runs.make_run(pipeline, model.open(), first, settings)
        golden |= prefixed(f"pab_{rank}", diffusion_runs.golden_cache(ranges, WINDOW, trace))
        moved = difference(trace.latents[-1], plain.latents[-1])
        assert moved > 10 * RUN_TOLERANCE, f"{model.spec.name}: {ranges} moves latents by {moved}"
        said.append(f"PAB {ranges} moves {moved:.1e}")
    if first.guidance > 1:
        wrong = copy.copy(first)
        for one, other in [("prompt", "negative_prompt"), ("pooled", "negative_pooled"),
                           ("text", "negative_text")]:
            setattr(wrong, one, getattr(first, other))
            setattr(wrong, other, getattr(first, one))
        if pipeline != "DiTPipeline":
            trace = diffusion_runs.make_run(pipeline, parts, wrong)
            moved = difference(trace.latents[-1], plain.latents[-1])
            assert moved > 10 * RUN_TOLERANCE
            said.append(f"guidance the wrong way round {moved:.1e}")
    return golden


def text_goldens(model, parts, precise, said):
    golden, noise = {}, 0.0
    for rank, text in enumerate(TEXTS):
        ids = parts["prompts"].ids(text)
        kept, exact = (diffusion_stages.text_stages(
            some["text_encoder"], some["transformer"].caption_projection, ids)
            for some in (parts, precise))
        noise = max(noise, *(difference(kept[name], exact[name]) for name in kept if name != "ids"))
        golden |= prefixed(f"prompt_{rank}", {"text": diffusion_runs.text_tensor(text)} | kept)
    said.append(f"T5 f32 against f64 {noise:.1e}")
    return golden


def vae_goldens(model, parts, precise, said):
    golden, noise = {}, 0.0
    for rank, (height, width) in enumerate([(3, 5), (4, 4)]):
        latents = model.random(parts["vae"].config.latent_channels, height, width)
        kept = diffusion_stages.vae_stages(parts["vae"], latents)
        exact = diffusion_stages.vae_stages(precise["vae"], latents.double())
        noise = max(noise, *(difference(kept[name], exact[name]) for name in kept))
        golden |= prefixed(f"vae_{rank}", kept)
    said.append(f"VAE f32 against f64 {noise:.1e}")
    return golden


def make(spec, seed):
    folder = fresh_folder(spec.name)
    generator = torch.Generator().manual_seed(seed)
    diffusion_folders.write_folder(folder, spec, generator)
    model = Model(spec, folder, generator)
    parts, precise, said = model.open(), model.open(torch.float64), []
    golden = case_goldens(model, parts, precise, said)
    golden |= run_goldens(model, parts, precise, said)
    if spec.text_encoder:
        golden |= text_goldens(model, parts, precise, said)
    if spec.name in ("dit", "sd3"):
        golden |= vae_goldens(model, parts, precise, said)
    save_file(golden, folder / "golden.safetensors")
    print(f"{spec.name}: " + "; ".join(said))
    for mistake, moved in diffusion_mistakes.moved(model, parts, golden):
        factor = 2 if mistake in diffusion_mistakes.FAINT else 10
        assert moved > factor * CALL_TOLERANCE, f"{spec.name}: {mistake} moves the answer by {moved}"
        print(f"  {mistake}: {moved:.1e}")


def fresh_folder(name):
    shutil.rmtree(OUT / name, ignore_errors=True)
    (OUT / name).mkdir(parents=True)
    return OUT / name


def make_noise():
    """Streams of torch's CPU generator: few numbers are drawn another way than 16 and more."""
    golden = {}
    for rank, (seed, sizes) in enumerate([
            (0, [4]), (0, [16]), (0, [20]), (42, [16]), (1, [1, 2, 3, 4]), (2**32 + 3, [35, 35, 35]),
            (3, [35]), (123456789, [3, 16, 5, 17, 15, 31, 1]), (2**63 - 1, [257, 7]), (7, [1024])]):
        generator = torch.Generator().manual_seed(seed)
        values = [torch.randn(size, generator=generator) for size in sizes]
        golden |= {f"stream_{rank}.seed": torch.tensor([seed]),
                   f"stream_{rank}.sizes": torch.tensor(sizes, dtype=torch.int32),
                   f"stream_{rank}.values": torch.cat(values)}
    save_file(golden, OUT / "noise.safetensors")


def main():
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for seed, spec in enumerate(SPECS):
        if len(sys.argv) == 1 or spec.name in sys.argv[1:]:
            make(spec, seed)
    if len(sys.argv) == 1 or "policy" in sys.argv[1:]:
        diffusion_policy.make(fresh_folder("policy"), torch.Generator().manual_seed(100),
                              CALL_TOLERANCE)
    make_noise()


if __name__ == "__main__":
    main()
