"""Trains push-policy on the expert's demonstrations."""

import json

import torch
import torch.nn.functional as F

import loop
from demonstrations import Demonstrations
from noise_schedules import add_noise, squaredcos_alphas
from policy import PolicyTransformer, Shape

EPISODES = 40000
ROWS = 256
STEPS = 8000
RATE = 1e-3


def main():
    args = loop.arguments(__doc__, STEPS, RATE).parse_args()
    torch.manual_seed(args.seed)
    shape, alphas = Shape(), squaredcos_alphas(100)
    demonstrations = Demonstrations(EPISODES, shape, args.seed)
    args.state.mkdir(parents=True, exist_ok=True)
    (args.state / "normaliser.json").write_text(json.dumps(demonstrations.normaliser()))
    run = loop.Run(PolicyTransformer(shape), args, weight_decay=1e-3)

    def loss_of(run):
        generator = run.generator()
        observed, actions = demonstrations.batch(ROWS, generator)
        timestep = torch.randint(len(alphas), (ROWS,), generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = run.forward(add_noise(actions, noise, alphas[timestep]), timestep, observed)
        return F.mse_loss(predicted.float(), noise)

    run.train(loss_of)


if __name__ == "__main__":
    main()
