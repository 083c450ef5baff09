"""Muon for the matrices of the layers: momentum whose singular values are all set to about one.

Method: Keller Jordan et al., 2024. The quintic Newton-Schulz iteration below needs only matrix
products, so it runs in bf16; its coefficients trade exactness for a steep slope at zero.
"""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalise(stack):
    """stack: [N, rows, columns], rows <= columns; returns it with singular values near one."""
    a, b, c = COEFFICIENTS
    x = stack.to(torch.bfloat16)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.1):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters, group):
        """Moves parameters of one shape, all at once."""
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["velocity"] = torch.zeros_like(parameter)
            velocity = state["velocity"].lerp_(parameter.grad, 1 - group["momentum"])
            updates.append(parameter.grad.lerp(velocity, group["momentum"]))
        stack = torch.stack(updates)
        tall = stack.shape[1] > stack.shape[2]
        stack = orthogonalise(stack.mT).mT if tall else orthogonalise(stack)
        rate = group["lr"] * max(1, stack.shape[1] / stack.shape[2]) ** 0.5
        for parameter, update in zip(parameters, stack):
            parameter.mul_(1 - group["lr"] * group["decay"])
            parameter.add_(update.to(parameter.dtype), alpha=-rate)
