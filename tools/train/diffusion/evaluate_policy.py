"""Success rate of a push-policy folder over episodes of the push world, the last line as JSON.

All episodes run side by side, those that have succeeded too, so runs with the same seed and number
of episodes see the same starts and the same noise.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy
import safetensors.torch
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim"))

import push_world
from noise_schedules import ddpm, squaredcos_alphas
from policy import PolicyTransformer, Shape


class Policy:
    """The model and its normaliser, as the folder has them."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        sizes = {name: config[name] for name in ("n_layer", "n_head", "n_emb", "horizon")}
        sizes |= {name: config[name] for name in ("n_obs_steps", "n_action_steps")}
        self.shape = Shape(**sizes, action_dim=config["input_dim"], obs_dim=config["cond_dim"])
        self.model = PolicyTransformer(self.shape).eval().requires_grad_(False)
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        self.model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        normal = config["normalizer"]["obs"]
        self.scale, self.offset = (torch.tensor(normal[name]) for name in ("scale", "offset"))
        self.alphas = squaredcos_alphas(100)

    def act(self, observations, generator):
        """observations: [B, To, Do] of the world; returns actions [B, n_action_steps, Da]."""
        observed = observations * self.scale + self.offset
        x = torch.randn(len(observed), self.shape.horizon, self.shape.action_dim, generator=generator)
        predict = lambda x, t: self.model(x, torch.full((len(x),), t), observed)
        x = ddpm(predict, x, self.alphas, generator)
        first = self.shape.n_obs_steps - 1
        return x[:, first : first + self.shape.n_action_steps]


def run(policy, episodes, seed, report):
    """Returns the step at which each episode succeeded, or 0."""
    worlds = push_world.start_worlds(episodes, numpy.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    history = [push_world.observe(worlds)] * policy.shape.n_obs_steps
    finished = numpy.zeros(episodes, dtype=int)
    for begin in range(0, push_world.STEPS_MAX, policy.shape.n_action_steps):
        observations = torch.from_numpy(numpy.stack(history, axis=1)).float()
        parts = [policy.act(part, generator) for part in observations.split(250)]
        actions = torch.cat(parts).double().numpy()
        for index in range(policy.shape.n_action_steps):
            push_world.step(worlds, actions[:, index])
            history = history[1:] + [push_world.observe(worlds)]
            step = begin + index + 1
            new = push_world.succeeded(worlds) & (finished == 0) & (step <= push_world.STEPS_MAX)
            finished[new] = step
        report(f"step {begin + policy.shape.n_action_steps}: {(finished > 0).mean():.3f}")
    return finished


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    finished = run(Policy(args.folder), args.episodes, args.seed, lambda line: print(line, flush=True))
    rate = float((finished > 0).mean())
    margin = 1.96 * math.sqrt(rate * (1 - rate) / args.episodes)
    steps = float(numpy.median(finished[finished > 0])) if rate else None
    print(json.dumps({"success": rate, "margin_95": margin, "median_steps": steps}))


if __name__ == "__main__":
    main()
