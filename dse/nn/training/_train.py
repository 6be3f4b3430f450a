"""Training by stochastic gradient descent, repeatable by its seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from dse.nn.datasets import Part
from dse.nn.models import check_finite
from dse.nn.training._settings import TrainingSettings
from dse.nn.training._trainer import Trainer

Progress: TypeAlias = Callable[[int, int, str], None]  # (done, total, note)


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
    trainer = Trainer(model, part, settings, seed=seed)
    for epoch in range(settings.epochs):
        loss = trainer.run_epoch(epoch)
        if progress is not None:
            progress(epoch + 1, settings.epochs, f"loss {loss:.4f}")
    check_finite(model)
    model.eval()
