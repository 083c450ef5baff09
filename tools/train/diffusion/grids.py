"""PNG files of pictures side by side."""

import torch
from PIL import Image


def write_grid(path, pictures, columns, scale=1, gap=2):
    """pictures: [n, 3, height, width] in [-1, 1], row by row; enlarged `scale` times."""
    count, _, height, width = pictures.shape
    rows = -(-count // columns)
    grid = torch.full((3, rows * (height + gap) + gap, columns * (width + gap) + gap), 1.0)
    for index, picture in enumerate(pictures):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        grid[:, top : top + height, left : left + width] = picture
    pixels = ((grid.clamp(-1, 1) / 2 + 0.5) * 255).round().to(torch.uint8)
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    image.resize((image.width * scale, image.height * scale), Image.NEAREST).save(path)
