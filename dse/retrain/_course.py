"""How far a retraining has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from dse.nn.training import read_kept, write_kept


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to."""

    epoch: int  # from 1; 0 is the network before training
    loss: float | None  # mean over the epoch's steps; None before training
    accuracy: float  # on validation images, through the tables, 0 to 1
    validation_loss: float  # cross-entropy there
    seconds: float  # of training and validation

    @property
    def rank(self) -> tuple[float, float]:
        """What says which epoch is better: the accuracy, among equals the loss."""
        return self.accuracy, -self.validation_loss


def best_of(log: tuple[Epoch, ...]) -> Epoch:
    """Return the best epoch of a log; the first of equals."""
    return max(log, key=lambda epoch: epoch.rank)


def write_course(path: Path, state: Mapping[str, Tensor], log: tuple[Epoch, ...]) -> None:
    """Write tensors and log into one file.

    Raises:
        InputError: The file cannot be written.
    """
    write_kept(path, state, [asdict(epoch) for epoch in log])


def read_course(path: Path) -> tuple[dict[str, Tensor], tuple[Epoch, ...]] | None:
    """Return what `write_course` wrote; None where there is no such file, or a damaged one."""
    kept = read_kept(path)
    try:
        return None if kept is None else (kept[0], tuple(Epoch(**row) for row in kept[1]))
    except TypeError:  # a log of something else
        return None
