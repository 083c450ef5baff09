"""The scripted expert of the push world, whose episodes push-policy learns from.

It goes round the puck to the side away from the goal, on a circle so as not to touch it, then
pushes, sliding sideways along the puck to correct its course, slows down and stops. Where both ways
round are about as long it chooses by chance, so the demonstrations have two modes.
"""

import dataclasses

import numpy

from push_world import CONTACT, GOAL_TOLERANCE, SPEED, length

ORBIT = CONTACT + 0.06  # radius of the circle round the puck
BEHIND = 0.90  # cosine of the angle to the push direction from which it may push
LOST = 0.60  # and below which it lets go and goes round again
LATERAL_GAIN = 0.8  # of the sideways correction, per step
EITHER_WAY = 2.5  # radians to go from which both ways round are taken
STOP = GOAL_TOLERANCE / 3


@dataclasses.dataclass
class Expert:
    """What it remembers of each world."""

    side: numpy.ndarray  # [N] +1 or -1: the way round
    pushing: numpy.ndarray  # [N] bool

    @staticmethod
    def fresh(count, generator):
        side = numpy.where(generator.random(count) < 0.5, 1.0, -1.0)
        return Expert(side, numpy.zeros(count, dtype=bool))

    def act(self, worlds):
        """Actions [N, 2] of length at most 1."""
        to_goal = worlds.goal - worlds.puck
        distance = length(to_goal)
        forward = to_goal / numpy.maximum(distance, 1e-6)[:, None]
        seen = worlds.pusher - worlds.puck
        gap = length(seen)
        cosine = -(seen * forward).sum(1) / numpy.maximum(gap, 1e-6)
        close = gap < CONTACT + 0.09
        self.pushing = close & (cosine > numpy.where(self.pushing, LOST, BEHIND))
        approach = self._approach(seen, gap, forward)
        push = self._push(seen, gap, forward, distance)
        move = numpy.where(self.pushing[:, None], push, approach)
        move = move * (distance >= STOP)[:, None]
        return move / numpy.maximum(length(move), SPEED)[:, None]

    def _approach(self, seen, gap, forward):
        """Displacement towards the point behind the puck, round it if it is in the way."""
        here = numpy.arctan2(seen[:, 1], seen[:, 0])
        there = numpy.arctan2(-forward[:, 1], -forward[:, 0])
        turn = (there - here + numpy.pi) % (2 * numpy.pi) - numpy.pi
        decided = numpy.abs(turn) < EITHER_WAY
        self.side = numpy.where(decided, numpy.where(turn >= 0, 1.0, -1.0), self.side)
        # As far as the tangent to the orbit is seen from here, go straight; else along the orbit.
        visible = numpy.arccos(numpy.clip(ORBIT / numpy.maximum(gap, ORBIT), 0, 1))
        reach = numpy.minimum(numpy.abs(turn), visible + 0.35)
        reach = numpy.where(decided, reach, visible + 0.35)
        bearing = here + self.side * reach
        point = ORBIT * numpy.stack([numpy.cos(bearing), numpy.sin(bearing)], axis=1)
        return point - seen

    def _push(self, seen, gap, forward, distance):
        along = -(seen * forward).sum(1)
        sideways = seen + along[:, None] * forward
        ahead = numpy.minimum(distance + (gap - CONTACT), SPEED)
        # Straying costs pace, so that the correction is done before the puck has gone far.
        ahead = ahead * numpy.clip(1 - 4 * length(sideways) / CONTACT, 0.25, 1.0)
        return ahead[:, None] * forward - LATERAL_GAIN * sideways
