"""Trajectories of diffusers' schedulers for tests/golden/denoise/schedulers.json.

A network that is easy to write down stands in for a model. Every case is run twice: as it is, in f32, and
with the scheduler's tables and the latents widened to f64, which is what the f32 run would give without its
rounding. The second is stored in full, of the first the last latents.

    python tools/golden/diffusion_schedulers.py
"""
import json
import pathlib

import numpy as np
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                       FlowMatchEulerDiscreteScheduler)
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/denoise/schedulers.json"
ELEMENTS = 20  # drawn as one block of 16 and a redrawn tail


def network(x, t):
    """Written again in the test: same function, in f64 from f32 inputs."""
    k = torch.arange(ELEMENTS, dtype=torch.float64)
    return 0.8 * torch.tanh(x.double()) + 0.2 * torch.sin(float(t) / 100 + k)


def draw_f32(shape, generator=None, device=None, dtype=None):
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)


scheduling_ddim.randn_tensor = draw_f32
scheduling_ddpm.randn_tensor = draw_f32


def run(scheduler, case, wide):
    kinds = {key: case[key] for key in ("timesteps", "sigmas", "mu") if key in case}
    if "timesteps" in kinds or "sigmas" in kinds:
        scheduler.set_timesteps(**kinds)
    else:
        scheduler.set_timesteps(case["steps"], **kinds)
    if wide:
        for table in ("alphas_cumprod", "sigmas", "final_alpha_cumprod", "one"):
            if hasattr(scheduler, table):
                setattr(scheduler, table, getattr(scheduler, table).double())
    generator = torch.Generator().manual_seed(case["seed"])
    x = torch.randn(1, ELEMENTS, generator=generator)
    x = x.double() if wide else x
    extra = {}
    if isinstance(scheduler, (DDIMScheduler, DDPMScheduler)):
        extra["generator"] = generator
    if isinstance(scheduler, DDIMScheduler):
        extra["eta"] = case.get("eta", 0.0)
    states = []
    for t in scheduler.timesteps:
        e = network(x, t)
        x = scheduler.step(e if wide else e.float(), t, x, return_dict=False, **extra)[0]
        states.append(x)
    return scheduler, states


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.flatten().tolist()]


def record(kind, name, config, **case):
    case.setdefault("seed", len(name))
    scheduler, wide = run(kind(**config), case, True)
    _, narrow = run(kind(**config), case, False)
    tokens = case.pop("image_tokens", 0)
    case.pop("mu", None)
    return {"name": name, "config": {"_class_name": kind.__name__, "_diffusers_version": "0", **config}, **case,
            "image_tokens": tokens, "model_timesteps": numbers(scheduler.timesteps.double()),
            "states": [numbers(state) for state in wide], "last_f32": numbers(narrow[-1])}


def discrete_cases():
    spacings = ("leading", "linspace", "trailing")
    for spacing in spacings:
        for steps in (1, 4, 7, 20):
            common = {"timestep_spacing": spacing}
            yield record(DDIMScheduler, f"ddim {spacing} {steps}", {**common, "clip_sample": False}, steps=steps)
            yield record(DDPMScheduler, f"ddpm {spacing} {steps}", {**common, "clip_sample": False}, steps=steps)
            yield record(DPMSolverMultistepScheduler, f"2m {spacing} {steps}", common, steps=steps)
    for prediction in ("sample", "v_prediction"):
        for clip in (False, True):
            config = {"prediction_type": prediction, "clip_sample": clip, "beta_schedule": "scaled_linear",
                      "beta_start": 0.00085, "beta_end": 0.012}
            yield record(DDIMScheduler, f"ddim {prediction} {clip}", config, steps=10)
            yield record(DDPMScheduler, f"ddpm {prediction} {clip}", config, steps=10)
        yield record(DPMSolverMultistepScheduler, f"2m {prediction}", {"prediction_type": prediction}, steps=16)
    for eta in (0.3, 1.0):
        yield record(DDIMScheduler, f"ddim eta {eta}", {"clip_sample": False}, steps=9, eta=eta)
    yield record(DDIMScheduler, "ddim clip", {"clip_sample_range": 0.7}, steps=12, eta=0.5)
    yield record(DDIMScheduler, "ddim offset", {"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False},
                 steps=50)
    policy = {"num_train_timesteps": 100, "beta_schedule": "squaredcos_cap_v2"}
    yield record(DDPMScheduler, "ddpm policy", policy, steps=100)
    yield record(DDIMScheduler, "ddim policy", policy, steps=16)
    for variance in ("fixed_small_log", "fixed_large"):
        yield record(DDPMScheduler, f"ddpm {variance}", {"variance_type": variance}, steps=8)
    yield record(DDPMScheduler, "ddpm listed", {}, timesteps=[900, 555, 120, 7, 3])
    yield record(DPMSolverMultistepScheduler, "2m listed", {}, timesteps=[900, 555, 120, 7, 3])
    for name, config in (("first order", {"solver_order": 1}), ("euler at final", {"euler_at_final": True}),
                         ("sigma_min", {"final_sigmas_type": "sigma_min"}),
                         ("sigma_min whole", {"final_sigmas_type": "sigma_min", "lower_order_final": False}),
                         ("cosine", {"beta_schedule": "squaredcos_cap_v2"})):
        for steps in (10, 15):
            yield record(DPMSolverMultistepScheduler, f"2m {name} {steps}", config, steps=steps)


def flow_cases():
    for shift in (1.0, 3.0):
        for steps in (1, 4, 28):
            yield record(FlowMatchEulerDiscreteScheduler, f"flow {shift} {steps}", {"shift": shift}, steps=steps)
    yield record(FlowMatchEulerDiscreteScheduler, "flow listed", {"shift": 3.0}, sigmas=[1.0, 0.6, 0.25, 0.1])
    for kind in ("exponential", "linear"):
        for tokens in (256, 1024, 4096):
            mu = 0.5 + (tokens - 256) * (1.15 - 0.5) / (4096 - 256)
            config = {"shift": 3.0, "use_dynamic_shifting": True, "time_shift_type": kind}
            yield record(FlowMatchEulerDiscreteScheduler, f"flow {kind} {tokens}", config, image_tokens=tokens, mu=mu,
                         sigmas=np.linspace(1.0, 1 / 10, 10).tolist())
            yield record(FlowMatchEulerDiscreteScheduler, f"flow {kind} {tokens} default", config,
                         image_tokens=tokens, mu=mu, steps=10)


def main():
    cases = [*discrete_cases(), *flow_cases()]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    print(f"{OUT}: {len(cases)} cases, {OUT.stat().st_size} bytes")


main()
