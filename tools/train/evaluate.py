"""Loss of a model folder on held_out.bin: nats per token and bits per byte.

Every token is predicted once, from at least half a window before it wherever the text has that.
"""

import argparse
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F
import transformers

ROWS = 8  # windows in one forward pass


@torch.no_grad()
def total_loss(model, text, window):
    """Sum of the losses, in nats, of text[1:]."""
    half = window // 2
    total = _loss(model, text[None, : window + 1], 0)
    starts = range(half, len(text) - 1 - half, half)
    full = [start for start in starts if start + window < len(text)]
    for first in range(0, len(full), ROWS):
        rows = numpy.stack([text[s : s + window + 1] for s in full[first : first + ROWS]])
        total += _loss(model, rows, half)
    for start in starts[len(full) :]:
        total += _loss(model, text[None, start:], half)
    return total


def _loss(model, rows, skipped):
    ids = torch.from_numpy(rows.astype(numpy.int64))
    logits = model(ids[:, :-1]).logits[:, skipped:].float()
    return F.cross_entropy(
        logits.flatten(0, 1), ids[:, skipped + 1 :].flatten(), reduction="sum"
    ).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--tokens", type=pathlib.Path, required=True, help="train_tokenizer's --out")
    parser.add_argument("--window", type=int, default=512)
    args = parser.parse_args()
    torch.set_num_threads(2)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    text = numpy.fromfile(args.tokens / "held_out.bin", dtype="<u2")
    size = len(tokenizer.decode(text.tolist(), skip_special_tokens=True).encode())
    nats = total_loss(model, text, args.window)
    print(f"tokens {len(text)}, bytes {size}, window {args.window}")
    print(f"nats per token {nats / (len(text) - 1):.4f}")
    print(f"bits per byte {nats / math.log(2) / size:.4f}")


if __name__ == "__main__":
    main()
