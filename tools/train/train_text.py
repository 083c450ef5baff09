"""Trains the shipped text model on encoded text, within a budget of wall-clock time.

The learning rate follows the share of the budget that is spent, so a run ends well on a machine of
any speed. Every checkpoint also writes the model folder; a run that was stopped is continued by the
same command. On a given machine only the seed is fixed: how many steps fit is not.
"""

import argparse
import dataclasses
import math
import pathlib
import time

import numpy
import torch
import torch.nn.functional as F

from folder import write_folder
from model import Decoder, Shape
from optimizer import Muon

MUON_RATE, ADAM_RATE = 0.02, 3e-3
WARM_UP = 0.02  # share of the budget in which the rate climbs
# (share of the budget at which it begins, tokens of a window): long windows cost more per token and
# only the model's reach needs them, so they come last.
WINDOWS = ((0.0, 256), (0.75, 512), (0.92, 1024))
TOKENS_PER_STEP = 8192
CHECKPOINT_SECONDS = 300
HELD_OUT_TOKENS = 65536  # looked at by each checkpoint; evaluate.py reads all of them


@dataclasses.dataclass
class Progress:
    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0


def rate_scale(share):
    """Warm-up, then a cosine down to zero; share: spent part of the budget."""
    return min(share / WARM_UP, 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def window_at(share):
    return [window for begin, window in WINDOWS if share >= begin][-1]


def batch_at(text, progress, window, seed):
    """The next [TOKENS_PER_STEP / window, window + 1] ids: every epoch is a new permutation."""
    epoch, position = divmod(progress.tokens, len(text))
    order = numpy.random.default_rng([seed, epoch, window])
    phase = int(order.integers(window))
    starts = order.permutation((len(text) - phase - 1) // window) * window + phase
    rows = TOKENS_PER_STEP // window
    first = min(position // window, len(starts) - rows)
    chosen = [text[start : start + window + 1] for start in starts[first : first + rows]]
    return torch.from_numpy(numpy.stack(chosen).astype(numpy.int64))


def loss_of(decoder, batch):
    with torch.autocast("cpu", torch.bfloat16):
        logits = decoder(batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())


def optimizers_of(decoder):
    matrices = [p for name, p in decoder.layers.named_parameters() if p.dim() == 2]
    chosen = set(map(id, matrices))
    rest = [p for p in decoder.parameters() if id(p) not in chosen]
    adam = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.dim() == 2], "weight_decay": 0.1},
            {"params": [p for p in rest if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=ADAM_RATE,
        betas=(0.9, 0.95),
    )
    return {"muon": (Muon(matrices, MUON_RATE), MUON_RATE), "adam": (adam, ADAM_RATE)}


@torch.no_grad()
def held_out_loss(decoder, text, window=512):
    """Mean loss in nats per token over the beginning of the held-out text."""
    rows = min(HELD_OUT_TOKENS, len(text) - 1) // window
    windows = numpy.stack([text[row * window : (row + 1) * window + 1] for row in range(rows)])
    batches = torch.from_numpy(windows.astype(numpy.int64)).split(16)
    return sum(loss_of(decoder, batch).item() * len(batch) for batch in batches) / rows


def save(path, decoder, optimizers, progress):
    state = {"decoder": decoder.state_dict(), "progress": dataclasses.asdict(progress)}
    state |= {name: optimizer.state_dict() for name, (optimizer, _) in optimizers.items()}
    torch.save(state, path.with_suffix(".unfinished"))
    path.with_suffix(".unfinished").replace(path)


def load(path, decoder, optimizers):
    state = torch.load(path)
    decoder.load_state_dict(state["decoder"])
    for name, (optimizer, _) in optimizers.items():
        optimizer.load_state_dict(state[name])
    return Progress(**state["progress"])


def train(args, decoder, train_text, held_out):
    optimizers = optimizers_of(decoder)
    path = args.out / "checkpoint.pt"
    progress = load(path, decoder, optimizers) if path.exists() else Progress()
    compiled = torch.compile(loss_of, dynamic=False)
    saved_at, mean_loss = progress.seconds, None
    while progress.seconds < args.seconds:
        begin = time.monotonic()
        share = progress.seconds / args.seconds
        loss = compiled(decoder, batch_at(train_text, progress, window_at(share), args.seed))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        for optimizer, rate in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_scale(share)
            optimizer.step()
            optimizer.zero_grad()
        progress.steps += 1
        progress.tokens += TOKENS_PER_STEP
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()
        progress.seconds += time.monotonic() - begin
        if progress.steps % 50 == 0:
            speed = TOKENS_PER_STEP / (time.monotonic() - begin)
            print(f"{progress} loss {mean_loss:.4f} tokens/s {speed:.0f}", flush=True)
        if progress.seconds - saved_at >= CHECKPOINT_SECONDS or progress.seconds >= args.seconds:
            saved_at = progress.seconds
            save(path, decoder, optimizers, progress)
            write_folder(decoder, args.tokens, args.out / "model")
            print(f"held-out loss {held_out_loss(decoder, held_out):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=pathlib.Path, required=True, help="train_tokenizer's --out")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=7200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train_text, held_out = (
        numpy.fromfile(args.tokens / name, dtype="<u2") for name in ("train.bin", "held_out.bin")
    )
    train(args, Decoder(Shape()), train_text, held_out)


if __name__ == "__main__":
    main()
