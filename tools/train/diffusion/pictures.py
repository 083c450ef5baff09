"""Procedurally drawn pictures: ten classes of figures, antialiased, in any colours.

A figure is a signed distance, negative inside, of points given in its own frame; most fill about
the unit disc. Everything is drawn for a whole batch at once. Pictures are [B, 3, side, side] in
[-1, 1].
"""

import math

import torch

CLASSES = (
    "circle", "square", "triangle", "star", "ring", "stripes", "checker", "cross", "heart", "spiral",
)  # fmt: skip


def circle(x, y):
    return torch.hypot(x, y) - 0.9


def square(x, y):
    return torch.maximum(x.abs(), y.abs()) - 0.8


def triangle(x, y):
    sides = [math.cos(a) * x + math.sin(a) * y for a in (math.pi / 2, -math.pi / 6, -5 * math.pi / 6)]
    return torch.stack(sides).amax(0) - 0.55


def star(x, y):
    """Five points; one sector, folded on itself, is bounded by the line from a tip to a notch."""
    sector, notch = 2 * math.pi / 5, 0.42
    angle = torch.remainder(torch.atan2(y, x) + sector / 2, sector) - sector / 2
    radius = torch.hypot(x, y)
    u, v = radius * angle.cos(), radius * angle.sin().abs()
    down, across = 1.05 - notch * math.cos(sector / 2), notch * math.sin(sector / 2)
    return ((u - 1.05) * across + v * down) / math.hypot(down, across)


def ring(x, y):
    return (torch.hypot(x, y) - 0.7).abs() - 0.22


def stripes(x, y):
    """Fills the picture; a period is 1.1."""
    return (torch.remainder(x / 1.1, 1) - 0.5).abs() * 1.1 - 0.275


def checker(x, y):
    """Fills the picture; a cell is 0.7 wide."""
    u, v = (0.35 - 0.7 * (torch.remainder(c / 1.4, 1) - 0.5).abs() * 2 for c in (x, y))
    return torch.where(u * v > 0, -1.0, 1.0) * torch.minimum(u.abs(), v.abs())


def cross(x, y):
    bar = lambda u, v: torch.maximum(u.abs() - 0.95, v.abs() - 0.32)
    return torch.minimum(bar(x, y), bar(y, x))


def heart(x, y):
    """A square on its corner with a half-disc on each upper side."""
    h = 0.5
    u, v = (x - y) / math.sqrt(2), (-x - y) / math.sqrt(2)
    box = torch.maximum(u.abs(), v.abs()) - h
    return torch.minimum(box, torch.minimum(torch.hypot(u - h, v), torch.hypot(u, v - h)) - h)


def spiral(x, y):
    pitch, radius = 0.42, torch.hypot(x, y)
    arm = torch.remainder(radius / pitch - torch.atan2(y, x) / (2 * math.pi), 1)
    return torch.maximum((arm - 0.5).abs() * pitch - 0.11, radius - 1)


FIGURES = (circle, square, triangle, star, ring, stripes, checker, cross, heart, spiral)


def uniform(low, high, shape, generator):
    return low + (high - low) * torch.rand(shape, generator=generator)


def two_colours(count, generator):
    """Two colours [B, 3] in [0, 1] that are easily told apart."""
    first, second = (torch.rand(count, 3, generator=generator) for _ in range(2))
    while True:
        alike = (first - second).norm(dim=1) < 0.7
        if not alike.any():
            return first, second
        second[alike] = torch.rand(int(alike.sum()), 3, generator=generator)


def coverage(figure, centre, radius, angle, side):
    """How much of each pixel the figure covers, [B, side, side]. centre: [B, 2] and radius: [B] in
    pixels; angle: [B]; figure: [B] index into FIGURES."""
    pixel = torch.arange(side) + 0.5
    x = (pixel[None, None, :] - centre[:, 0, None, None]) / radius[:, None, None]
    y = (pixel[None, :, None] - centre[:, 1, None, None]) / radius[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u, v = cos * x + sin * y, cos * y - sin * x
    distance = torch.empty(len(figure), side, side)
    for index in figure.unique().tolist():
        mine = figure == index
        distance[mine] = FIGURES[index](u[mine], v[mine])
    return (0.5 - distance * radius[:, None, None]).clamp(0, 1)


def paint(cover, ink, paper):
    """cover: [..., side, side]; ink and paper: [..., 3, 1, 1] in [0, 1]; the result in [-1, 1]."""
    cover = cover.unsqueeze(-3)
    return (paper + cover * (ink - paper)) * 2 - 1


def draw(labels, generator, side=64):
    """One picture of each label: [B, 3, side, side]."""
    count = len(labels)
    radius = uniform(0.22, 0.40, count, generator) * side
    room = (side / 2 - 0.9 * radius)[:, None]
    centre = side / 2 + uniform(-1, 1, (count, 2), generator) * room
    angle = uniform(-0.35, 0.35, count, generator)  # upright enough to know a heart by
    turned = torch.tensor([name in ("stripes", "checker", "spiral") for name in CLASSES])[labels]
    angle = torch.where(turned, uniform(0, 2 * math.pi, count, generator), angle)
    ink, paper = (colour[:, :, None, None] for colour in two_colours(count, generator))
    # The paper darkens towards one side, a little.
    slope = uniform(-0.15, 0.15, (count, 2), generator)
    ramp = torch.linspace(-1, 1, side)
    shade = slope[:, 0, None, None] * ramp[None, None, :] + slope[:, 1, None, None] * ramp[None, :, None]
    paper = (paper + shade[:, None]).clamp(0, 1)
    return paint(coverage(labels, centre, radius, angle, side), ink, paper)
