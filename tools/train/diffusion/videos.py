"""Videos of one moving figure, and the prompts that describe them.

A prompt is three words, "<colour> <figure> <motion>"; its embedding is the three words' vectors.
Videos are [B, 3, FRAMES, SIDE, SIDE] in [-1, 1].
"""

import math

import torch

from pictures import CLASSES, coverage, paint, uniform

FRAMES, SIDE = 16, 32
EMBEDDING_SIZE = 64
COLOURS = {
    "red": (0.90, 0.15, 0.15),
    "green": (0.15, 0.75, 0.20),
    "blue": (0.20, 0.30, 0.95),
    "yellow": (0.95, 0.85, 0.15),
    "magenta": (0.90, 0.25, 0.85),
    "white": (0.97, 0.97, 0.97),
}
FIGURE_NAMES = ("circle", "square", "triangle", "cross")
MOTIONS = ("sideways", "vertical", "circling")
HEADINGS = ((1, 0), (0, 1), (0, 0))
NOTHING = "nothing"  # the word that stands, three times, for no prompt


def word_vectors():
    """A fixed random vector for each word: {word: [EMBEDDING_SIZE]}.

    Two vectors belong to no word. The shipped weights learned a word for each direction, right, left,
    up and down; a network this small never told right from left, so the words now claim no more."""
    words = [*COLOURS, *FIGURE_NAMES, "sideways", None, "vertical", None, "circling", NOTHING]
    generator = torch.Generator().manual_seed(20)
    vectors = torch.randn(len(words), EMBEDDING_SIZE, generator=generator)
    return {word: vector for word, vector in zip(words, vectors) if word is not None}


def prompt_of(colour, figure, motion):
    return f"{colour} {figure} {motion}"


def prompts():
    """{prompt: [3, EMBEDDING_SIZE]}, "nothing" among them."""
    vectors = word_vectors()
    table = {NOTHING: torch.stack([vectors[NOTHING]] * 3)}
    for colour in COLOURS:
        for figure in FIGURE_NAMES:
            for motion in MOTIONS:
                words = (colour, figure, motion)
                table[prompt_of(*words)] = torch.stack([vectors[word] for word in words])
    return table


def draw_words(count, generator):
    """Random indices [B, 3] into the colours, figures and motions."""
    sizes = (len(COLOURS), len(FIGURE_NAMES), len(MOTIONS))
    return torch.stack([torch.randint(n, (count,), generator=generator) for n in sizes], dim=1)


def embed_words(words):
    """[B, 3] indices, or -1 for nothing, to [B, 3, EMBEDDING_SIZE]."""
    vectors = word_vectors()
    columns = []
    for column, names in enumerate((COLOURS, FIGURE_NAMES, MOTIONS)):
        table = torch.stack([vectors[name] for name in (*names, NOTHING)])  # -1 is the last
        columns.append(table[words[:, column]])
    return torch.stack(columns, dim=1)


def paths(motion, radius, generator):
    """Centres in pixels, [B, FRAMES, 2], that keep the figure on the picture."""
    count = len(motion)
    moment = torch.arange(FRAMES) / (FRAMES - 1) - 0.5
    room = (SIDE / 2 - radius)[:, None]
    travel = uniform(0.75, 1.0, (count, 1), generator) * 2 * room  # from first to last frame
    sense = 1 - 2 * torch.randint(2, (count, 1), generator=generator)
    heading = torch.tensor(HEADINGS, dtype=torch.float32)[motion] * sense
    slack = torch.where(heading != 0, room - travel / 2, room)
    middle = SIDE / 2 + uniform(-1, 1, (count, 2), generator) * slack
    straight = middle[:, None] + heading[:, None] * (travel * moment)[:, :, None]
    turn = uniform(0, 2 * math.pi, (count, 1), generator) + 2 * math.pi * (moment + 0.5) * 15 / 16
    around = torch.stack([turn.cos(), turn.sin()], dim=-1) * (0.85 * room)[:, :, None] + SIDE / 2
    return torch.where((motion == MOTIONS.index("circling"))[:, None, None], around, straight)


def draw_videos(words, generator):
    """words: [B, 3] indices. Returns [B, 3, FRAMES, SIDE, SIDE]."""
    count = len(words)
    radius = uniform(5.5, 8.5, count, generator)
    centre = paths(words[:, 2], radius, generator)
    each = lambda x: x.repeat_interleave(FRAMES, dim=0)
    figures = torch.tensor([CLASSES.index(name) for name in FIGURE_NAMES])[words[:, 1]]
    angle = uniform(-0.25, 0.25, count, generator)
    cover = coverage(each(figures), centre.flatten(0, 1), each(radius), each(angle), SIDE)
    ink = torch.tensor(list(COLOURS.values()))[words[:, 0]]
    paper = uniform(0, 0.35, (count, 3), generator)
    ink, paper = (colour[:, None, :, None, None] for colour in (ink, paper))
    return paint(cover.unflatten(0, (count, FRAMES)), ink, paper).transpose(1, 2)
