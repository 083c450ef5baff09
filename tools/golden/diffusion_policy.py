"""The golden folder of the diffusion policy transformer, for diffusion_models.py: the network in plain
torch, whole runs with diffusers' DDPM; names in tests/golden/diffusion/README.md."""

import copy
import math

import diffusers
import diffusion_folders
import torch
from diffusion_mistakes import FAINT, difference
from safetensors.torch import save_file
from torch import nn

SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "beta_end": 0.02,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 100,
    "prediction_type": "epsilon",
    "variance_type": "fixed_small",
}
# 7 steps of 5 numbers: no multiple of 16, so that the stream of noise redraws its tail.
CONFIG = {
    "_class_name": "TransformerForDiffusion",
    "input_dim": 5,
    "output_dim": 5,
    "cond_dim": 6,
    "horizon": 7,
    "n_obs_steps": 3,
    "n_action_steps": 4,
    "first_action_step": 2,
    "n_layer": 2,
    "n_head": 4,
    "n_emb": 32,
    "n_cond_layers": 0,
    "causal_attn": True,
    "time_as_cond": True,
    "obs_as_cond": True,
    "num_inference_steps": 100,
    "obs_keys": [{"name": "obs", "width": 6}],
}
RUNS = [(7, 20, [0, 1, 10, 19]), (2**32 + 11, 100, [0, 49, 99])]  # seed, steps, steps kept


class Network(nn.Module):
    """Actions attend to earlier actions, and to the time and the observations up to one step ahead."""

    def __init__(self, config):
        super().__init__()
        width, inner = config["n_emb"], 4 * config["n_emb"]
        memory = 1 + config["n_obs_steps"]
        self.input_emb = nn.Linear(config["input_dim"], width)
        self.pos_emb = nn.Parameter(torch.zeros(1, config["horizon"], width))
        self.cond_obs_emb = nn.Linear(config["cond_dim"], width)
        self.cond_pos_emb = nn.Parameter(torch.zeros(1, memory, width))
        self.encoder = nn.Sequential(nn.Linear(width, inner), nn.Mish(), nn.Linear(inner, width))
        layer = nn.TransformerDecoderLayer(width, config["n_head"], inner, dropout=0.0,
                                           activation="gelu", batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, config["n_layer"])
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, config["output_dim"])
        rows = torch.arange(config["horizon"])[:, None]
        self.causal = ~(rows >= torch.arange(config["horizon"]))
        self.unseen = ~(rows >= torch.arange(memory) - 1)

    def time(self, timestep):
        half = self.pos_emb.shape[-1] // 2
        angles = timestep.float() * torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        return torch.cat([angles.sin(), angles.cos()])[None].to(self.pos_emb.dtype)

    def forward(self, latents, timestep, observation, kept=None):
        """[T, Da], one number, [To, Do] normalised -> epsilon [T, Da]."""
        kept = {} if kept is None else kept
        kept["time"] = self.time(timestep)[0]
        memory = torch.cat([self.time(timestep), self.cond_obs_emb(observation)])
        memory = kept["memory"] = self.encoder(memory + self.cond_pos_emb[0])
        stream = kept["embedded"] = self.input_emb(latents) + self.pos_emb[0]
        for rank, layer in enumerate(self.decoder.layers):
            stream = layer(stream[None], memory[None], tgt_mask=self.causal,
                           memory_mask=self.unseen)[0]
            kept[f"block_{rank}"] = stream
        kept["output"] = self.head(self.ln_f(stream))
        return kept["output"]


def scales(generator, width):
    return {"scale": (0.2 + torch.rand(width, generator=generator)).tolist(),
            "offset": (torch.randn(width, generator=generator) / 2).tolist()}


def write_folder(folder, generator):
    config = dict(CONFIG)
    config["normalizer"] = {"obs": scales(generator, config["cond_dim"]),
                            "action": scales(generator, config["input_dim"])}
    config["scheduler"] = SCHEDULER
    diffusion_folders.write_json(folder / "config.json", config)
    # Quiet inputs, so that the fixed epsilon of the first norm shows.
    tensors = diffusion_folders.random_weights(
        Network(config).state_dict(), generator,
        {r"^input_emb|^pos_emb": 0.01, r"^head": 0.1, r"ln_f\.bias": 0.2})
    for name in tensors:
        if name == "ln_f.weight":
            tensors[name] = 0.5 + torch.rand(tensors[name].shape, generator=generator)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return config, tensors


def run(network, config, observation, seed, steps, kept_steps):
    """One answer as the policy gives it: noise of torch's generator, in the order it is drawn."""
    dtype = network.pos_emb.dtype
    normalise = config["normalizer"]
    scale, offset = (torch.tensor(normalise["obs"][name]) for name in ("scale", "offset"))
    seen = (observation * scale + offset).to(dtype)
    stream = torch.Generator().manual_seed(seed)
    shape = config["horizon"], config["input_dim"]
    noise = torch.randn(shape, generator=stream)
    latents, step_noise, golden = noise.to(dtype), torch.zeros(steps, *shape), {}
    known = {key: value for key, value in config["scheduler"].items() if not key.startswith("_")}
    scheduler = diffusers.DDPMScheduler(**known)
    scheduler.set_timesteps(steps)
    for step, timestep in enumerate(scheduler.timesteps):
        before = stream.clone_state()
        with torch.no_grad():
            answer = network(latents, timestep, seen)
        latents = scheduler.step(answer.float(), timestep, latents.float(),
                                 generator=stream).prev_sample.to(dtype)
        if timestep > 0:
            step_noise[step] = torch.randn(shape, generator=before)
        if step in kept_steps:
            golden[f"latents_{step}"] = latents
    scale, offset = (torch.tensor(normalise["action"][name]) for name in ("scale", "offset"))
    actions = (latents - offset) / scale
    first = config["first_action_step"]
    return golden | {
        "seed": torch.tensor([seed]), "observation": observation, "noise": noise,
        "step_noise": step_noise, "timesteps": scheduler.timesteps.float(), "actions": actions,
        "answer": actions[first : first + config["n_action_steps"]].clone()}


def mistakes(network):
    """(name, changed copy)."""
    def changed(change):
        other = copy.deepcopy(network)
        change(other)
        return other

    def exact_to_tanh(other):
        for layer in other.decoder.layers:
            layer.activation = nn.GELU(approximate="tanh")

    def epsilons(other):
        for module in other.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps *= 10

    def swapped_time(other):
        time = other.time
        other.time = lambda timestep: time(timestep).roll(other.pos_emb.shape[-1] // 2, -1)

    yield "eps x10", changed(epsilons)
    yield "GELU of tanh", changed(exact_to_tanh)
    yield "SiLU for Mish", changed(lambda other: other.encoder.__setitem__(1, nn.SiLU()))
    yield "no causal mask", changed(lambda other: other.causal.zero_())
    yield "memory mask off by one", changed(lambda other: other.unseen[:-1].copy_(network.unseen[1:]))
    yield "cosines first", changed(swapped_time)
    yield "position of the memory left out", changed(lambda other: other.cond_pos_emb.data.zero_())


def make(folder, generator, tolerance):
    config, tensors = write_folder(folder, generator)
    network = Network(config).eval().requires_grad_(False)
    network.load_state_dict(tensors)
    precise, golden, noise, said = copy.deepcopy(network).double(), {}, 0.0, []
    for rank, timestep in enumerate([99, 50, 0]):
        inputs = {"latents": torch.randn(config["horizon"], config["input_dim"], generator=generator),
                  "timestep": torch.tensor([float(timestep)]),
                  "observation": torch.randn(config["n_obs_steps"], config["cond_dim"],
                                             generator=generator)}
        kept, exact = {}, {}
        network(*inputs.values(), kept)
        precise(inputs["latents"].double(), inputs["timestep"], inputs["observation"].double(), exact)
        noise = max(noise, *(difference(kept[name], exact[name]) for name in kept))
        golden |= {f"case_{rank}.{name}": tensor for name, tensor in (inputs | kept).items()}
    for rank, (seed, steps, kept_steps) in enumerate(RUNS):
        observation = 3 * torch.randn(config["n_obs_steps"], config["cond_dim"], generator=generator)
        kept = run(network, config, observation, seed, steps, kept_steps)
        exact = run(precise, config, observation, seed, steps, kept_steps)
        last = f"latents_{steps - 1}"
        said.append(f"run {rank} f32 against f64 {difference(kept[last], exact[last]):.1e}, clipped "
                    f"{float((kept[last].abs() == 1).float().mean()):.2f}")
        golden |= {f"run_{rank}.{name}": tensor.contiguous() for name, tensor in kept.items()}
    save_file(golden, folder / "golden.safetensors")
    print(f"policy: calls f32 against f64 {noise:.1e}; " + "; ".join(said))
    inputs = [golden[f"case_0.{name}"] for name in ("latents", "timestep", "observation")]
    for mistake, other in mistakes(network):
        moved = difference(other(*inputs), golden["case_0.output"])
        factor = 2 if mistake in FAINT else 10
        assert moved > factor * tolerance, f"policy: {mistake} moves the answer by {moved}"
        print(f"  {mistake}: {moved:.1e}")
