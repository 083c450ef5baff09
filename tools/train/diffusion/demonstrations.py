"""Demonstrations of the push task: windows of observations and of the expert's actions.

Half the episodes begin as in evaluation, half with the pusher near the puck anywhere round it and
the goal anywhere, so that the policy has seen what its own mistakes lead to. The executed action is
the expert's plus noise in some episodes; the recorded one is the expert's own.
"""

import pathlib
import sys

import numpy
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim"))

import push_expert
import push_world

STEPS = 100  # of a recorded episode, at least 99 % of the experts' tasks are done by then
AFTER_SUCCESS = 6  # steps of standing still that windows may begin in


def near_worlds(count, generator):
    """The pusher within a hand's breadth of the puck, the goal at any distance up to 0.6."""
    worlds = push_world.start_worlds(count, generator)
    around = lambda distance: distance[:, None] * numpy.stack(
        [numpy.cos(angle := generator.uniform(0, 2 * numpy.pi, count)), numpy.sin(angle)], axis=1
    )
    worlds.goal = worlds.puck + around(generator.uniform(0, 0.6, count))
    worlds.goal = numpy.clip(worlds.goal, -0.8, 0.8)
    worlds.pusher = worlds.puck + around(push_world.CONTACT + generator.uniform(0, 0.15, count))
    return worlds


def record(worlds, noise, generator):
    """Runs the expert. noise: [N]. Returns observations [N, STEPS, Do], actions [N, STEPS, Da] and
    the number of steps from which windows may begin [N]."""
    count = len(noise)
    expert = push_expert.Expert.fresh(count, generator)
    observations, actions, usable = [], [], numpy.full(count, STEPS)
    for step in range(STEPS):
        observations.append(push_world.observe(worlds))
        action = expert.act(worlds)
        actions.append(action)
        shaken = action + noise[:, None] * generator.standard_normal(action.shape)
        push_world.step(worlds, shaken)
        done = push_world.succeeded(worlds)
        usable = numpy.where(done, numpy.minimum(usable, step + 1 + AFTER_SUCCESS), usable)
    return numpy.stack(observations, 1), numpy.stack(actions, 1), usable


class Demonstrations:
    """All windows of `episodes` episodes; draws of batches."""

    def __init__(self, episodes, shape, seed):
        generator = numpy.random.default_rng(seed)
        half = episodes // 2
        runs = [
            record(make(half, generator), generator.choice([0.0, 0.0, 0.3], half), generator)
            for make in (push_world.start_worlds, near_worlds)
        ]
        observations, actions, usable = (numpy.concatenate(parts) for parts in zip(*runs))
        self.mean, self.std = observations.mean((0, 1)), observations.std((0, 1))
        before, after = shape.n_obs_steps - 1, shape.horizon - shape.n_obs_steps
        pad = lambda x: numpy.pad(x, ((0, 0), (before, after + 1), (0, 0)), mode="edge")
        normal = (observations - self.mean) / self.std
        self.observations = torch.from_numpy(pad(normal).astype(numpy.float32))
        self.actions = torch.from_numpy(pad(actions).astype(numpy.float32))
        episode, first = numpy.nonzero(numpy.arange(STEPS)[None, :] < usable[:, None])
        self.episode, self.first = torch.from_numpy(episode), torch.from_numpy(first)
        self.shape = shape

    def __len__(self):
        return len(self.episode)

    def normaliser(self):
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def batch(self, rows, generator):
        """Observations [B, To, Do], normalised, and actions [B, T, Da]."""
        chosen = torch.randint(len(self), (rows,), generator=generator)
        episode, first = self.episode[chosen][:, None], self.first[chosen][:, None]
        observed = self.observations[episode, first + torch.arange(self.shape.n_obs_steps)]
        return observed, self.actions[episode, first + torch.arange(self.shape.horizon)]
