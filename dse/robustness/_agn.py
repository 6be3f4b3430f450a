"""Learn by gradient how much noise each layer bears (Trommer et al., ICCAD 2022, arXiv 2208.07265).

Gaussian noise of a learnable amount `sigma` is added to every layer's output before the bias,

    y + sigma * std(y) * eps,   eps ~ N(0, 1)

and the loss rewards noise in proportion to the layer's share of the multiplications, up to `sigma_max`:

    L = CE(logits, labels) - strength * sum_l (c_l / sum_j c_j) * min(|sigma_l|, sigma_max)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError, unknown_name
from dse.nn.arithmetic import NoiseArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.models import seeded
from dse.nn.training import threads_for
from dse.robustness._profile import RobustnessProfile
from dse.types import Floats

SETTLED = 0.3  # share of the steps, the last ones, over which sigma is averaged


@dataclass(frozen=True)
class RobustnessSettings:
    """How the noise is learned.

    Args:
        steps: Optimiser steps.
        batch_size: Images in a step.
        strength: The loss's `lambda`: more means more noise, hence cheaper multipliers.
        sigma_max: Noise beyond this earns no reward.
        sigma_initial: Where every sigma starts; not 0, where the reward has no gradient.
        lr: First step size of sigma, falling to 0 along a cosine (Adam: a layer with few multiplications earns little
            reward, and plain SGD leaves it at its start; without the fall, sigmas near 0 would be the step's own size).
        train: Learn sigma alone on the frozen network, or all parameters as in the paper.
        weight_lr: Step size of the weights (SGD, momentum 0.9) when all parameters are trained.
    """

    steps: int = 300
    batch_size: int = 128
    strength: float = 0.2
    sigma_max: float = 0.5
    sigma_initial: float = 0.1
    lr: float = 0.01
    train: Literal["sigma", "all"] = "sigma"
    weight_lr: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "strength", "sigma_max", "sigma_initial", "lr", "weight_lr"):
            if not getattr(self, name) > 0:
                raise InputError(f"robustness.{name}: expected a positive number, got {getattr(self, name)}")
        if self.train not in ("sigma", "all"):
            raise unknown_name("robustness.train", self.train, ("sigma", "all"))


def learn_robustness(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    op_counts: NDArray[np.int64],
    settings: RobustnessSettings | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    watch: Callable[[Floats], None] | None = None,
) -> tuple[RobustnessProfile, nn.Module]:
    """Learn the noise that each approximable layer of a quantised model bears.

    Args:
        model: A quantised model; left as it is.
        images, labels: Training images `(N, ...)` float32 and labels `(N,)` int64.
        op_counts: Multiplications per layer `(L,)`, in forward order.
        settings: See `RobustnessSettings`.
        seed: Seed of noise and batches; torch's global generator is left as it was.
        progress: Called as (done, total, note) after every step.
        watch: Called with |sigma| `(L,)` after every step.

    Returns:
        The profile, and the model it holds for: a noise-adapted copy with `train="all"`, else a plain copy.

    Raises:
        InputError: If there are no images or no layers, or the counts do not match the layers.
    """
    settings = settings or RobustnessSettings()
    model = copy.deepcopy(model)
    fake_quantized(model)
    layers = approximable_layers(model)
    if not layers:
        raise InputError("robustness: expected a quantised model, got one with no approximable layer; quantise it first")
    if len(images) == 0 or len(images) != len(labels):
        raise InputError(f"robustness: expected as many labels as images, at least one; got {len(images)}, {len(labels)}")
    if len(op_counts) != len(layers):
        raise InputError(f"robustness: expected {len(layers)} op counts, one per layer; got {len(op_counts)}")
    noises = [NoiseArithmetic(settings.sigma_initial) for _ in layers]
    for layer, noise in zip(layers.values(), noises, strict=True):
        layer.arithmetic = noise
    shares = torch.from_numpy(op_counts / op_counts.sum())
    path, slopes = _train(model, noises, images, labels, shares, settings, seed, progress, watch)
    sigma = settled(path, settings.sigma_max)
    if not np.isfinite(sigma).all():
        raise InputError(f"robustness: learning diverged (sigma {sigma}); lower robustness.lr or robustness.weight_lr")
    fake_quantized(model)
    balance = settings.strength / 2 * RobustnessProfile(tuple(layers), sigma).noise_cost(op_counts)
    cost = _cost(path, slopes, settings.sigma_initial, balance)
    return RobustnessProfile(tuple(layers), sigma, cost), model.eval()


def settled(path: Floats, sigma_max: float) -> Floats:
    """Return the sigma `(L,)` that a course of |sigma| `(steps, L)` ends at: the mean of its last 30 %, at most `sigma_max`.

    Beyond that nothing is earned: what lies there is the optimiser's momentum.
    """
    return np.minimum(path[-math.ceil(SETTLED * len(path)) :].mean(axis=0), sigma_max)


def _train(
    model: nn.Module,
    noises: list[NoiseArithmetic],
    images: Tensor,
    labels: Tensor,
    shares: Tensor,
    settings: RobustnessSettings,
    seed: int,
    progress: Callable[[int, int, str], None] | None,
    watch: Callable[[Floats], None] | None,
) -> tuple[Floats, Floats]:
    """Train and return |sigma| after every step and the task loss's slope by the |sigma| before it, `(steps, L)` each."""
    sigmas = [noise.sigma for noise in noises]
    weights = [p for p in model.parameters() if not any(p is sigma for sigma in sigmas)]
    for weight in weights:
        weight.requires_grad_(settings.train == "all")
    model.train(settings.train == "all")  # a frozen network keeps its running statistics
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(sigmas, lr=settings.lr)]
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizers[0], settings.steps)
    path, slopes = np.zeros((2, settings.steps, len(sigmas)))
    if settings.train == "all":
        optimizers.append(torch.optim.SGD(weights, lr=settings.weight_lr, momentum=0.9))
    with seeded(seed), threads_for(min(settings.batch_size, len(images)) * images[0].numel()):
        for step in range(settings.steps):
            batch = torch.randint(len(images), (min(settings.batch_size, len(images)),))
            reward = (shares * torch.stack([*sigmas]).abs().clamp(max=settings.sigma_max)).sum()
            loss = F.cross_entropy(model(images[batch]), labels[batch]) - settings.strength * reward
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            slopes[step] = _task_slopes(sigmas, shares, settings)
            for optimizer in optimizers:
                optimizer.step()
            fall.step()
            path[step] = [abs(sigma.item()) for sigma in sigmas]
            if watch:
                watch(path[step].copy())
            if progress:
                progress(step + 1, settings.steps, f"reward {reward.item():.3f}")
    for weight in weights:
        weight.requires_grad_(True)
    return path, slopes


def _task_slopes(sigmas: list[nn.Parameter], shares: Tensor, settings: RobustnessSettings) -> Floats:
    """Return the slope of the task loss by each |sigma| `(L,)`: the gradients less the reward's."""
    sigma = torch.stack([s.detach() for s in sigmas])
    gradient = torch.stack([torch.zeros_like(s) if s.grad is None else s.grad for s in sigmas]) * sigma.sign()
    slopes: Floats = (gradient + settings.strength * shares * (sigma.abs() <= settings.sigma_max)).double().numpy()
    return slopes


def _cost(path: Floats, slopes: Floats, initial: float, balance: Floats) -> Floats:
    """Return what a unit of relative noise variance costs in each layer, nats `(L,)`, from `(steps, L)` of the learning.

    For a loss that grows by `alpha sigma^2` the slope is `2 alpha sigma`. Where the noise has settled, that is the reward's,
    and `balance` is alpha. Layers of very few multiplications never get there: their sigma ends at the optimiser's own
    unrest, far above. They show in the slopes: where alpha, fitted to them by least squares, is above the balance by more
    than two standard errors, it is taken. At `sigma_max` the balance stays: no more noise was tried, so caution is due.
    """
    sigma = np.vstack([np.full((1, path.shape[1]), initial), path[:-1]])
    total = 2 * (sigma**2).sum(axis=0)
    alpha = (slopes * sigma).sum(axis=0) / total
    error = np.sqrt((((slopes - 2 * alpha * sigma) * sigma) ** 2).sum(axis=0)) / total
    return np.where(alpha - 2 * error > balance, alpha, balance)
