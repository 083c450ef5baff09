"""Writes tests/golden/sim/push_trajectories.json: what push_world.py makes of actions, exactly.

Episodes of the scripted expert, which touch, push and succeed, and one of random actions, too
long by far, in a corner with walls. Every step has an action and the places after it.
"""

import json
import pathlib
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/sim"))

import push_world
from push_expert import Expert

EXPERT_EPISODES, EXPERT_STEPS = 3, 42
RANDOM_STEPS = 24


def play(worlds, actions):
    """Steps of each world: [pusher x, y, puck x, y, held] after each action [N, 2] of the iterator."""
    recorded = [{"goal": goal.tolist(), "start": [*pusher, *puck], "steps": []}
                for goal, pusher, puck in zip(worlds.goal, worlds.pusher, worlds.puck)]
    for action in actions:
        push_world.step(worlds, action)
        for index, world in enumerate(recorded):
            after = [*worlds.pusher[index], *worlds.puck[index], int(worlds.held[index])]
            world["steps"].append({"action": action[index].tolist(), "after": after})
    return recorded


def main():
    generator = numpy.random.default_rng(3)
    worlds = push_world.start_worlds(EXPERT_EPISODES, generator)
    expert = Expert.fresh(EXPERT_EPISODES, generator)
    trajectories = play(worlds, (expert.act(worlds) for _ in range(EXPERT_STEPS)))
    worlds = push_world.start_worlds(1, generator)
    worlds.puck[:], worlds.pusher[:] = [[0.70, -0.80]], [[0.50, -0.78]]
    actions = (generator.normal(size=(1, 2)) * [0.6, 0.2] + [1.8, 0] for _ in range(RANDOM_STEPS))
    trajectories += play(worlds, actions)
    path = ROOT / "tests/golden/sim/push_trajectories.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(trajectories) + "\n")
    print(path.stat().st_size, [max(s["after"][4] for s in t["steps"]) for t in trajectories])


if __name__ == "__main__":
    main()
