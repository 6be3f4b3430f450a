"""How far a retraining has come, in one file that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from dse.whole_files import write_whole


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
    """Write tensors and log as safetensors, whose header holds the log as JSON: one file, hence one moment.

    Raises:
        InputError: The file cannot be written.
    """
    # Copies, because safetensors refuses tensors that share memory (tied weights).
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    header = {"log": json.dumps([asdict(epoch) for epoch in log])}
    write_whole(path, safetensors.torch.save(tensors, metadata=header))


def read_course(path: Path) -> tuple[dict[str, Tensor], tuple[Epoch, ...]] | None:
    """Return what `write_course` wrote; None where there is no such file, or a damaged one."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            log = tuple(Epoch(**row) for row in json.loads(file.metadata()["log"]))
            return {name: file.get_tensor(name) for name in file.keys()}, log
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError):
        return None
