"""Training by stochastic gradient descent, repeatable by its seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError, one_line
from dse.nn.datasets import Part
from dse.nn.models import check_finite, seeded
from dse.nn.training._evaluate import device_of, logits
from dse.nn.training._settings import TrainingSettings
from dse.nn.training._threads import threads_for

Progress: TypeAlias = Callable[[int, int, str], None]  # (done, total, note)

_WARM_UP = 0.2  # of all steps, before the peak of the learning rate
_CROP = 4  # pixels of padding that a random crop moves in, as in He et al. 2016, section 4.2


def train(
    model: nn.Module, part: Part, settings: TrainingSettings, *, seed: int, progress: Progress | None = None
) -> None:
    """Train `model` in place, on the device that it is on, and leave it in evaluation mode.

    Order, augmentation and dropout come from `seed`; the global random state stays as it was. On one machine with one
    number of threads the same start gives the same weights.

    Args:
        model: takes (B, C, H, W) float32, gives (B, n_classes).
        part: the training images.
        settings: of the optimiser.
        seed: of everything random.
        progress: called after every epoch.

    Raises:
        InputError: the model does not take these images or has too few outputs for the labels, or the loss diverged.
    """
    require_fit(model, part)
    device = device_of(model)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )
    # Batches of nearly one size: a last batch of a single image would break batch normalisation.
    steps = math.ceil(len(part) / settings.batch_size)
    model.train()
    with seeded(seed, device), threads_for(settings.batch_size * part.x[0].numel()):
        for epoch in range(settings.epochs):
            total = torch.zeros((), device=device)
            for i, index in enumerate(torch.randperm(len(part)).tensor_split(steps)):
                rate = _rate((epoch * steps + i + 1) / (settings.epochs * steps + 1), settings.lr)
                total += _step(model, optimiser, part.x[index].to(device), part.y[index].to(device), rate, settings)
            loss = float(total) / steps
            if not math.isfinite(loss):
                raise InputError(
                    f"training.lr: the loss became {loss} in epoch {epoch + 1} with a peak of {settings.lr}; lower it"
                )
            if progress is not None:
                progress(epoch + 1, settings.epochs, f"loss {loss:.4f}")
    check_finite(model)
    model.eval()


def _step(
    model: nn.Module, optimiser: torch.optim.SGD, x: Tensor, y: Tensor, rate: float, settings: TrainingSettings
) -> Tensor:
    """Take one step on x (B, ...), y (B,) and return the loss, a scalar without gradient."""
    optimiser.param_groups[0]["lr"] = rate
    if settings.augment == "flip-crop":
        x = _flip_crop(x)
    loss = F.cross_entropy(model(x), y, label_smoothing=settings.label_smoothing)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.detach()


def _rate(progress: float, peak: float) -> float:
    """Return the learning rate at `progress` 0 .. 1: a line up to `peak`, then half a cosine down to 0."""
    if progress < _WARM_UP:
        return peak * progress / _WARM_UP
    return peak * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))) / 2


def _flip_crop(x: Tensor) -> Tensor:
    """Mirror half of the images x (B, C, H, W) left to right, and shift each by up to 4 pixels, filling with zeros."""
    n, _, height, width = x.shape
    padded = F.pad(x, (_CROP,) * 4)
    top, left = torch.randint(0, 2 * _CROP + 1, (2, n, 1))
    columns = torch.arange(width).expand(n, width)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, width - 1 - columns) + left
    rows = torch.arange(height) + top
    images = torch.arange(n)[:, None, None]
    # Indexing around the channel axis puts it last.
    return padded[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def require_fit(model: nn.Module, part: Part) -> None:
    """Refuse images that the model does not take, and labels that it has no output for.

    Raises:
        InputError: If there are no images, the model raises anything, or its outputs are not (N, n_classes).
    """
    if len(part) == 0:
        raise InputError("training: the training part has no images; give it some")
    try:
        shape = tuple(logits(model, part.x[:1]).shape)
    except Exception as error:  # whatever a user's network raises
        raise InputError(
            f"training: the model does not take images {tuple(part.x.shape[1:])} ({one_line(error)})"
        ) from error
    largest = int(part.y.max())
    if len(shape) != 2 or shape[1] <= largest:
        raise InputError(
            f"training: the model gives outputs {shape} for one image, expected (1, n_classes), n_classes above the "
            f"largest label {largest}; build it for this data set"
        )
