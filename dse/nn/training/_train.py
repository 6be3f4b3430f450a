"""Training by stochastic gradient descent, repeatable by its seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from torch import nn

from dse.nn.datasets import Part
from dse.nn.devices import device_name
from dse.nn.models import check_finite
from dse.nn.training._evaluate import device_of
from dse.nn.training._kept import read_kept, write_kept
from dse.nn.training._settings import TrainingSettings
from dse.nn.training._trainer import Trainer

Progress: TypeAlias = Callable[[int, int, str], None]  # (done, total, note)
TrainingLog: TypeAlias = list[dict[str, float | str]]  # per epoch: epoch from 1, mean loss of its steps, seconds, device

_KEEP_EVERY_S = 30.0  # what a kill may cost; a training of seconds is not worth a file


def train(
    model: nn.Module,
    part: Part,
    settings: TrainingSettings,
    *,
    seed: int,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> TrainingLog:
    """Train `model` in place, on the device that it is on, and leave it in evaluation mode.

    Order, augmentation and dropout come from `seed`; the global random state stays as it was. On one machine with one
    number of threads the same start gives the same weights, also where a killed training is taken up.

    Args:
        model: takes (B, C, H, W) float32, gives (B, n_classes).
        part: the training images.
        settings: of the optimiser.
        seed: of everything random.
        keep: file of how far the training has come, written about twice a minute and removed at the end; where it is
            there and of this model, the training goes on from it. Its name stands for all other arguments. None keeps
            nothing.
        progress: called after every epoch.

    Returns:
        The log of all epochs, also of those before a kill.

    Raises:
        InputError: the model does not take these images or has too few outputs for the labels, the loss diverged, or
            the file cannot be written.
    """
    trainer = Trainer(model, part, settings, seed=seed)
    log: TrainingLog = []
    if keep is not None and (kept := read_kept(keep)) is not None and trainer.fits(kept[0]):
        state, log = kept
        trainer.load_state(state)
    written = time.monotonic()
    for epoch in range(len(log), settings.epochs):
        started = time.perf_counter()
        loss = trainer.run_epoch(epoch)
        seconds, device = round(time.perf_counter() - started, 3), device_name(device_of(model))
        log.append({"epoch": epoch + 1, "loss": loss, "seconds": seconds, "device": device})
        if keep is not None and time.monotonic() - written > _KEEP_EVERY_S:
            write_kept(keep, trainer.state(), log)
            written = time.monotonic()
        if progress is not None:
            progress(epoch + 1, settings.epochs, f"loss {loss:.4f}")
    check_finite(model)
    model.eval()
    return log
