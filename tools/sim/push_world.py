"""A disc pushes a puck to a goal on a walled table: the world of the push-policy model.

Quasi-static: a puck moves only while it is pushed, along the line through both centres, and stops
with the pusher. Walls stop the puck, and a stopped puck stops the pusher. Lengths are in table
units (the table spans -1 to 1 on both axes), speeds in table units per step. All functions take
many worlds at once: arrays [N, 2] in float64. Only +, -, *, / and sqrt are used.
"""

import dataclasses

import numpy

PUSHER_RADIUS = 0.06
PUCK_RADIUS = 0.10
CONTACT = PUSHER_RADIUS + PUCK_RADIUS
SPEED = 0.05  # of the pusher for an action of length 1
SUBSTEPS = 4  # moves of 0.0125, far below the radii: nothing tunnels
PUCK_WALL = 1 - PUCK_RADIUS
PUSHER_WALL = 1 - PUSHER_RADIUS

GOAL_TOLERANCE = 0.03  # between the centres of puck and goal
HOLD_STEPS = 4  # consecutive steps within the tolerance that end an episode with success
STEPS_MAX = 88  # an episode that has not succeeded by then has failed

ACTION_SIZE = 2
OBSERVATION_SIZE = 6


@dataclasses.dataclass
class Worlds:
    pusher: numpy.ndarray  # [N, 2]
    puck: numpy.ndarray  # [N, 2]
    goal: numpy.ndarray  # [N, 2]
    held: numpy.ndarray  # [N] int64: steps in a row that the puck has been at the goal

    def copy(self):
        return Worlds(self.pusher.copy(), self.puck.copy(), self.goal.copy(), self.held.copy())


def start_worlds(count, generator):
    """Worlds as episodes begin: the puck 0.4 or more from its goal, the pusher clear of the puck."""
    place = lambda half: generator.uniform(-half, half, (count, 2))
    worlds = Worlds(place(0.9), place(0.65), place(0.75), numpy.zeros(count, dtype=numpy.int64))
    while True:
        bad = length(worlds.goal - worlds.puck) < 0.4
        bad |= length(worlds.pusher - worlds.puck) < CONTACT + 0.05
        if not bad.any():
            return worlds
        worlds.goal[bad] = place(0.75)[bad]
        worlds.pusher[bad] = place(0.9)[bad]


def step(worlds, action):
    """Moves all worlds by one step. action: [N, 2], cut to length 1."""
    action = action / numpy.maximum(length(action), 1.0)[:, None]
    move = action * (SPEED / SUBSTEPS)
    for _ in range(SUBSTEPS):
        pusher = numpy.clip(worlds.pusher + move, -PUSHER_WALL, PUSHER_WALL)
        puck = numpy.clip(apart(worlds.puck, pusher), -PUCK_WALL, PUCK_WALL)
        worlds.pusher = apart(pusher, puck)
        worlds.puck = puck
    near = length(worlds.goal - worlds.puck) < GOAL_TOLERANCE
    worlds.held = numpy.where(near, worlds.held + 1, 0)


def succeeded(worlds):
    return worlds.held >= HOLD_STEPS


def observe(worlds):
    """[N, 6]: the pusher, the puck seen from the pusher, the goal seen from the puck."""
    return numpy.concatenate(
        [worlds.pusher, worlds.puck - worlds.pusher, worlds.goal - worlds.puck], axis=1
    )


def apart(moved, fixed):
    """`moved`, pushed straight away from `fixed` where the two discs overlap."""
    between = moved - fixed
    distance = numpy.maximum(length(between), 1e-9)
    overlap = numpy.maximum(CONTACT - distance, 0.0)
    return moved + between * (overlap / distance)[:, None]


def length(vectors):
    return numpy.sqrt(vectors[:, 0] * vectors[:, 0] + vectors[:, 1] * vectors[:, 1])
