"""The noise schedules the models are trained on and the two solvers that look at them: DDPM and DDIM.

Both predict the noise (epsilon). The formulas are those of diffusers' DDPMScheduler (fixed_small
variance) and DDIMScheduler (leading spacing, no offset, eta 0, final alpha 1).
"""

import math

import torch


def squaredcos_alphas(steps):
    """Cumulative products of 1 - beta, [steps] (Nichol and Dhariwal, 2021). Pictures of 64 x 64 pixels
    drown early in the noise of a linear schedule: their figures would form late, in few steps."""
    level = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = [min(1 - level((i + 1) / steps) / level(i / steps), 0.999) for i in range(steps)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0).float()


def structure_timesteps(count, steps, generator):
    """[count] random timesteps, most of them where the figures form; a uniform choice spends half of
    the training on noise that is nearly all or nearly none of what is seen."""
    place = torch.sigmoid(0.5 + 1.5 * torch.randn(count, generator=generator))
    return (place * steps).long().clamp(max=steps - 1)


def noise_loss(predicted, noise, alpha):
    """Mean squared error of the noise, weighed as that of the clean sample where noise prevails, at most
    20 times (truncated SNR weighting; Salimans and Ho, 2022): there the whole figure is decided, and an
    error is small in the noise but large in the figure. alpha: [B]."""
    weight = ((1 - alpha) / alpha).clamp(1, 20)
    return (weight * (predicted - noise).square().flatten(1).mean(1)).mean()


def add_noise(x, noise, alpha):
    """alpha: [B], of each sample's timestep."""
    alpha = alpha.view(-1, *[1] * (x.dim() - 1))
    return alpha.sqrt() * x + (1 - alpha).sqrt() * noise


def ddpm(predict, x, alphas, generator):
    """Every timestep of the schedule, samples clipped to [-1, 1]. predict(x, timestep) -> noise."""
    for t in reversed(range(len(alphas))):
        a, before = alphas[t], alphas[t - 1] if t > 0 else torch.ones(())
        beta = 1 - a / before
        clean = ((x - (1 - a).sqrt() * predict(x, t)) / a.sqrt()).clamp(-1, 1)
        x = before.sqrt() * beta / (1 - a) * clean + (a / before).sqrt() * (1 - before) / (1 - a) * x
        if t > 0:
            variance = ((1 - before) / (1 - a) * beta).clamp(min=1e-20)
            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator)
    return x


def ddim(predict, x, alphas, steps):
    ratio = len(alphas) // steps
    for t in reversed(range(0, ratio * steps, ratio)):
        a, before = alphas[t], alphas[t - ratio] if t >= ratio else torch.ones(())
        noise = predict(x, t)
        clean = (x - (1 - a).sqrt() * noise) / a.sqrt()
        x = before.sqrt() * clean + (1 - before).sqrt() * noise
    return x
