"""The course of a retraining: epoch after epoch, the best one kept, from a file where an earlier one has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.nn.datasets import Part
from dse.nn.devices import device_name
from dse.nn.training import Progress, Trainer, device_of, logits, read_kept, write_kept
from dse.retrain._distillation import distillation
from dse.retrain._settings import Keep, RetrainSettings


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to."""

    epoch: int  # from 1; 0 is the network before training
    loss: float | None  # mean over the epoch's steps; None before training
    accuracy: float  # on validation images, through the tables, 0 to 1
    validation_loss: float  # cross-entropy there
    seconds: float  # of training and validation
    device: str = "cpu"  # where that was: a GPU's model, or the CPU


def best_of(log: tuple[Epoch, ...], keep: Keep) -> Epoch:
    """Return the best epoch of a log: by accuracy and among equals by loss, or by loss alone; the first of equals."""
    if keep == "loss":
        return min(log, key=lambda epoch: epoch.validation_loss)
    return max(log, key=lambda epoch: (epoch.accuracy, -epoch.validation_loss))


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


def require_course(settings: RetrainSettings, teacher: nn.Module | None, validation: Part, key: str) -> None:
    """Raise InputError, under `key`, where what a course needs is missing."""
    if settings.distil and teacher is None:
        raise InputError(f"{key}.distil: {settings.distil} needs the float network; pass teacher=")
    if len(validation) == 0:
        raise InputError(f"{key}: expected validation images, got none")


def course_trainer(
    model: nn.Module,
    train: Part,
    settings: RetrainSettings,
    *,
    seed: int,
    teacher: nn.Module | None,
    key: str,
    passes: Sequence[Callable[[], None]] | None = None,
) -> Trainer:
    """Return the trainer that settings describe; see `Trainer` for arguments and errors, `distillation` for the teacher."""
    return Trainer(
        model,
        train,
        settings.training,
        seed=seed,
        loss=None if teacher is None else distillation(teacher, settings),
        rate=settings.rate,
        clip_norm=settings.clip_norm,
        passes=passes,
        key=key,
    )


def run_course(
    trainer: Trainer,
    model: nn.Module,
    settings: RetrainSettings,
    *,
    measure: Callable[[], tuple[float, float]],
    training: Callable[[], None],
    measuring: Callable[[], None],
    file: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Epoch, ...]:
    """Train until the settings end it, and leave the model with the weights of the best epoch, which may be none.

    Args:
        trainer: Of the model, before its first epoch.
        model: As it is to be measured.
        settings: Say when it is over.
        measure: Returns accuracy and cross-entropy on validation images.
        training, measuring: Bring the model into the form in which it is trained, and back into that in which it is
            measured.
        file: Of the course; where it is there, the training goes on from it. None keeps nothing.
        progress: Called after every epoch.

    Returns:
        The log from epoch 0, the network before training.

    Raises:
        InputError: The loss diverged, or the file cannot be written.
    """
    look = partial(_measured, measure, device_name(device_of(model)))
    best, log = _begin(trainer, model, look, file)
    while not _over(log, settings):
        started = time.perf_counter()
        training()
        mean_loss = trainer.run_epoch(log[-1].epoch)
        measuring()
        log = (*log, look(log[-1].epoch + 1, mean_loss, started))
        if best_of(log, settings.keep) is log[-1]:
            best = _copied(model.state_dict())
        if file is not None:
            write_course(file, {**trainer.state(), **{f"best.{name}": t for name, t in best.items()}}, log)
        if progress is not None:
            note = f"loss {mean_loss:.4f}, validation {100 * log[-1].accuracy:.2f} %"
            progress(log[-1].epoch, settings.epochs, note)
    model.load_state_dict(best)
    return log


def validated(model: nn.Module, part: Part) -> tuple[float, float]:
    """Return accuracy, 0 to 1, and cross-entropy of a model on images."""
    outputs, y = logits(model, part.x), part.y.cpu()
    accuracy = float((outputs.argmax(dim=1) == y).double().mean())
    return accuracy, float(F.cross_entropy(outputs.double(), y))


def _begin(
    trainer: Trainer, model: nn.Module, look: Callable[[int, float | None, float], Epoch], file: Path | None
) -> tuple[dict[str, Tensor], tuple[Epoch, ...]]:
    """Take up the training that a file keeps, or look at the network before it; return the best weights and the log.

    A file of something else counts as damaged: the training begins anew.
    """
    own = model.state_dict()
    state, log = (None if file is None else read_course(file)) or ({}, ())
    best = {name.removeprefix("best."): tensor for name, tensor in state.items() if name.startswith("best.")}
    rest = {name: tensor for name, tensor in state.items() if not name.startswith("best.")}
    whole = {name: tensor.shape for name, tensor in best.items()} == {name: tensor.shape for name, tensor in own.items()}
    if not (log and whole and trainer.fits(rest)):
        return _copied(own), (look(0, None, time.perf_counter()),)
    trainer.load_state(rest)
    return best, log


def _over(log: tuple[Epoch, ...], settings: RetrainSettings) -> bool:
    done, best = log[-1].epoch, best_of(log, settings.keep).epoch
    return done >= settings.epochs or (settings.patience is not None and done - best >= settings.patience)


def _measured(
    measure: Callable[[], tuple[float, float]], device: str, epoch: int, loss: float | None, started: float
) -> Epoch:
    accuracy, cross_entropy = measure()
    return Epoch(epoch, loss, accuracy, cross_entropy, round(time.perf_counter() - started, 3), device)


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
