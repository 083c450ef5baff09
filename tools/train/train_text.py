"""Trains the shipped text model on encoded text, within a budget of wall-clock time.

The learning rate follows the share of the budget that is spent, so a run ends well on a machine of
any speed. Every checkpoint also writes the model folder; a run that was stopped is continued by the
same command. On a given machine only the seed is fixed: how many steps fit is not.

Each core has its own process, which takes its share of every batch: processes meet once per step,
where threads would meet at every operation and wait for each other on a busy machine.
"""

import argparse
import dataclasses
import math
import pathlib
import tempfile
import time

import numpy
import torch
import torch.distributed as ranks
import torch.nn.functional as F

from folder import write_folder
from model import Decoder, Shape
from optimizer import Muon

MUON_RATE, ADAM_RATE = 0.02, 3e-3
WARM_UP = 0.02  # share of the budget in which the rate climbs
# Share of the budget at which a phase begins, the text it reads, tokens of a window. The end decides
# what the model sounds like, so it reads everyday code; long windows cost more per token and only
# the model's reach needs them, so they come last.
PHASES = ((0.0, "train", 256), (0.55, "plain", 256), (0.78, "plain", 1024))
TOKENS_PER_STEP = 8192
CHECKPOINT_SECONDS = 600
HELD_OUT_TOKENS = 65536  # looked at by each checkpoint; evaluate.py reads all of them


@dataclasses.dataclass
class Progress:
    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0


def rate_scale(share):
    """Warm-up, then a cosine down to zero; share: spent part of the budget."""
    return min(share / WARM_UP, 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def batch_at(texts, progress, share, seed):
    """The next [TOKENS_PER_STEP / window, window + 1] ids: every epoch is a new permutation."""
    name, window = [phase[1:] for phase in PHASES if share >= phase[0]][-1]
    text = texts[name]
    epoch, position = divmod(progress.tokens, len(text))
    order = numpy.random.default_rng([seed, epoch, window])
    phase = int(order.integers(window))
    starts = order.permutation((len(text) - phase - 1) // window) * window + phase
    rows = TOKENS_PER_STEP // window
    first = min(position // window, len(starts) - rows)
    return windows_of(text, starts[first : first + rows], window)


def windows_of(text, starts, window):
    """This process's share of the windows that begin at `starts`, each one token longer."""
    mine = starts[ranks.get_rank() :: ranks.get_world_size()]
    rows = numpy.stack([text[start : start + window + 1] for start in mine])
    return torch.from_numpy(rows.astype(numpy.int64))


def mean_over_ranks(tensor):
    ranks.all_reduce(tensor)
    return tensor.div_(ranks.get_world_size())


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
    starts = numpy.arange(0, min(HELD_OUT_TOKENS, len(text) - 1) - window + 1, window)
    batches = windows_of(text, starts, window).split(8)
    losses = torch.stack([loss_of(decoder, batch) for batch in batches])
    return mean_over_ranks(losses.mean()).item()


def average_gradients(decoder, loss):
    """Over the processes; returns the mean loss."""
    gradients = [parameter.grad for parameter in decoder.parameters()]
    flat = torch.cat([gradient.flatten() for gradient in gradients] + [loss.detach().view(1)])
    parts = mean_over_ranks(flat).split([gradient.numel() for gradient in gradients] + [1])
    for gradient, part in zip(gradients, parts):
        gradient.copy_(part.view_as(gradient))
    return parts[-1].item()


def shared_seconds(seconds):
    """What the first process's clock says, so that all take the same decisions."""
    clock = torch.tensor([seconds], dtype=torch.float64)
    ranks.broadcast(clock, src=0)
    return clock.item()


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


def step(decoder, optimizers, loss, share):
    """One update; returns the loss over the whole batch."""
    loss.backward()
    mean_loss = average_gradients(decoder, loss)
    torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
    for optimizer, rate in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = rate * rate_scale(share)
        optimizer.step()
        optimizer.zero_grad()
    return mean_loss


def train(args, decoder, texts):
    optimizers = optimizers_of(decoder)
    path = args.out / "checkpoint.pt"
    progress = load(path, decoder, optimizers) if path.exists() else Progress()
    compiled = torch.compile(loss_of, dynamic=False)
    first = ranks.get_rank() == 0
    saved_at, smooth_loss = progress.seconds, None
    while progress.seconds < args.seconds:
        begin = time.monotonic()
        share = progress.seconds / args.seconds
        batch = batch_at(texts, progress, share, args.seed)
        loss = step(decoder, optimizers, compiled(decoder, batch), share)
        smooth_loss = loss if smooth_loss is None else 0.98 * smooth_loss + 0.02 * loss
        progress.steps += 1
        progress.tokens += TOKENS_PER_STEP
        progress.seconds = shared_seconds(progress.seconds + time.monotonic() - begin)
        if first and progress.steps % 50 == 0:
            print(f"{progress} loss {smooth_loss:.4f}", flush=True)
        if progress.seconds - saved_at >= CHECKPOINT_SECONDS or progress.seconds >= args.seconds:
            saved_at = progress.seconds
            loss = held_out_loss(decoder, texts["held_out"])
            if first:
                save(path, decoder, optimizers, progress)
                write_folder(decoder, args.tokens, args.out / "model")
                print(f"held-out loss {loss:.4f}", flush=True)


def train_rank(rank, args, meeting_file):
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    method = f"file://{meeting_file}"
    ranks.init_process_group("gloo", init_method=method, rank=rank, world_size=args.processes)
    texts = {
        name: numpy.fromfile(args.tokens / f"{name}.bin", dtype="<u2")
        for name in ("train", "plain", "held_out")
    }
    train(args, Decoder(Shape()), texts)
    ranks.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=pathlib.Path, required=True, help="train_tokenizer's --out")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=7200)
    parser.add_argument("--processes", type=int, default=2, help="one per core")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        task = (args, f"{folder}/meeting")
        torch.multiprocessing.spawn(train_rank, task, nprocs=args.processes)


if __name__ == "__main__":
    main()
