"""The training loop shared by the diffusion models: AdamW, warm-up and cosine, EMA, checkpoints.

A run is a number of steps. What step s sees depends only on the seed and s, so a run that was
killed continues from its last checkpoint as if nothing had happened, but for the order of sums.
State lives in one folder: checkpoint.pt, and log.jsonl with the smoothed loss.
"""

import argparse
import copy
import json
import math
import os
import pathlib
import time

import torch

CHECKPOINT_SECONDS = 180
LOG_STEPS = 100
EMA_DECAY = 0.9995


def arguments(description, steps, rate):
    """The command line that all trainers have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder of checkpoints")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--rate", type=float, default=rate, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="fused kernels; needs a C++ compiler")
    return parser


def rate_scale(step, steps):
    """Warm-up over 2 % of the steps (500 at most), then a cosine down to zero."""
    warm_up = min(500, max(1, steps // 50))
    return min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * step / steps)))


class Run:
    """One model in training and its average; `ema` is what gets evaluated and exported."""

    def __init__(self, model, args, weight_decay=0.01):
        args.state.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(args.threads)
        self.args, self.model, self.step, self.seconds = args, model, 0, 0.0
        self.forward = torch.compile(model) if args.compile else model
        self.ema = copy.deepcopy(model).requires_grad_(False)
        decayed = [p for p in model.parameters() if p.dim() > 1]
        rest = [p for p in model.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}],
            lr=args.rate,
            betas=(0.9, 0.99),
        )
        self.path = args.state / "checkpoint.pt"
        if self.path.exists():
            self._load()

    def _parts(self):
        return {"model": self.model, "ema": self.ema, "optimizer": self.optimizer}

    def _load(self):
        state = torch.load(self.path)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self):
        state = {name: part.state_dict() for name, part in self._parts().items()}
        unfinished = self.path.with_suffix(".unfinished")
        torch.save(state | {"step": self.step, "seconds": self.seconds}, unfinished)
        os.replace(unfinished, self.path)

    def generator(self):
        """Of the random numbers of the coming step."""
        return torch.Generator().manual_seed(self.args.seed * 1_000_003 + self.step)

    def train(self, loss_of):
        """Calls loss_of(run) -> loss for every step that is left."""
        saved_at, smooth = time.monotonic(), None
        while self.step < self.args.steps:
            begin = time.monotonic()
            loss = loss_of(self)
            self._update(loss)
            loss = loss.item()
            smooth = loss if smooth is None else 0.99 * smooth + 0.01 * loss
            self.step += 1
            self.seconds += time.monotonic() - begin
            if self.step % LOG_STEPS == 0:
                self._log(smooth)
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                self.save()
                saved_at = time.monotonic()
        self.save()

    def _update(self, loss):
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.rate * rate_scale(self.step, self.args.steps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            mine, averages = list(self.model.parameters()), list(self.ema.parameters())
            torch._foreach_lerp_(averages, mine, 1 - decay)

    def _log(self, loss):
        line = {"step": self.step, "loss": round(loss, 6), "seconds": round(self.seconds)}
        line["processor_seconds"] = round(time.process_time())  # of this process, for the pace
        print(json.dumps(line), flush=True)
        with open(self.args.state / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")


def averaged(model, state):
    """`model` with the averaged weights of a run's folder, and the step they are of."""
    checkpoint = torch.load(state / "checkpoint.pt")
    model.load_state_dict(checkpoint["ema"])
    return model.eval().requires_grad_(False), checkpoint["step"]
