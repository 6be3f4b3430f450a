"""Fine-tuning of a network for all its operating points together."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

import torch
from torch import nn

from dse.exceptions import InputError, under, unknown_name
from dse.nn.datasets import Part
from dse.nn.training import Progress, require_fit
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._tables import integer, trainable
from dse.retrain import (
    Epoch,
    RetrainSettings,
    best_of,
    content_hash,
    course_trainer,
    require_course,
    run_course,
    validated,
)
from dse.whole_files import writable_folder

Scheme = Literal["none", "batch-norm", "shared"]
_KEY = "fine-tuning"  # what messages speak of


@dataclass(frozen=True)
class FineTuned:
    """A network with what its best epoch has made of it, and how it came to that."""

    model: OperatingPointModel
    log: tuple[Epoch, ...]  # from epoch 0, the network before training; accuracies and losses are means over the points
    best: Epoch  # whose state the model has, by validation images; may be epoch 0


@torch.inference_mode(False)  # gradients are needed, wherever this is called
@torch.enable_grad()
def fine_tune(
    model: OperatingPointModel,
    train: Part,
    validation: Part,
    settings: RetrainSettings,
    *,
    scheme: Scheme = "batch-norm",
    seed: int,
    teacher: nn.Module | None = None,
    cache_dir: Path | None = None,
    key: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune a copy of `model` for all its operating points together.

    | scheme | trained | each point has its own |
    |---|---|---|
    | `none` | nothing: corrections and statistics of the closed form stay as they are | what it had |
    | `batch-norm` | `gamma` and `beta` of the BatchNorms | `gamma`, `beta`, statistics |
    | `shared` | all parameters; all but those of the BatchNorms are one for all points | `gamma`, `beta`, statistics |

    `batch-norm` is the scheme that QoS-Nets publishes (arXiv 2410.07762); in `shared` the weights are trained as well. A
    batch passes at every point, and the step follows the mean of the gradients. Products are the tables', their slopes those
    of `settings.gradient`. Which epoch is best follows the means of the points'
    validation accuracies and losses.

    Files in a cache folder are as of `dse.retrain.retrain`: a training that was killed goes on where it was, with the same
    bits, and a finished one is read.

    Args:
        model: The network with its points.
        train: Images to train with.
        validation: Images that choose the epoch; none that scores designs or results.
        settings: How; `forward` must be `tables`.
        scheme: What is trained.
        seed: Of everything random, 0 to 2^64 - 1.
        teacher: The float network, for `settings.distil` above 0.
        cache_dir: Folder of the files, made when missing; None keeps nothing.
        key: What else the outcome depends on and the model's state does not show, such as its name.
        progress: Called after every epoch.

    Raises:
        InputError: The scheme is unknown or finds no BatchNorm, images or labels do not fit, the seed is out of range, what
            the settings need is missing, the loss diverged, or the cache folder cannot be written.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"fine-tuning.seed: expected 0 to 2^64 - 1, got {seed}")
    _require(model, settings, scheme, teacher, validation)
    model = copy.deepcopy(model).eval()
    measure = partial(_mean_validated, model, validation)
    if scheme == "none":
        started = time.perf_counter()
        figures = measure()
        only = Epoch(0, None, *figures, round(time.perf_counter() - started, 3))
        return FineTuned(model, (only,), only)
    teacher = teacher if settings.distil else None
    model.own_norms()
    file = None
    if cache_dir is not None:
        given = {"scheme": scheme, "seed": seed, "key": dict(key or {}), "settings": asdict(settings)}
        name = content_hash(model, train, validation, None, teacher, {**given, "points": _points(model)})
        file = writable_folder(cache_dir) / f"{name}.finetune.safetensors"
    simulated, training = (model.arithmetics(make) for make in (integer, trainable(settings.gradient, settings.window)))
    with _training_only(model, scheme), model.at(model.operating_point):  # passes end at the last point
        passes = [partial(setattr, model, "operating_point", point) for point in range(len(model.points))]
        log = run_course(
            course_trainer(model, train, settings, seed=seed, teacher=teacher, key=_KEY, passes=passes),
            model,
            settings,
            measure=measure,
            training=partial(model.give, training),
            measuring=partial(model.give, simulated),
            file=file,
            progress=progress,
        )
    return FineTuned(model.eval(), log, best_of(log, settings.keep))


def point_accuracies(model: OperatingPointModel, part: Part) -> tuple[float, ...]:
    """Return the accuracy of every operating point on images `(O,)`, 0 to 1."""
    return tuple(accuracy for accuracy, _ in _validated(model, part))


def _validated(model: OperatingPointModel, part: Part) -> list[tuple[float, float]]:
    found = []
    for point in range(len(model.points)):
        with model.at(point):
            found.append(validated(model, part))
    return found


def _mean_validated(model: OperatingPointModel, part: Part) -> tuple[float, float]:
    """Return the means over the points of accuracy and cross-entropy."""
    accuracies, losses = zip(*_validated(model, part), strict=True)
    return fmean(accuracies), fmean(losses)


def _require(
    model: OperatingPointModel, settings: RetrainSettings, scheme: str, teacher: nn.Module | None, validation: Part
) -> None:
    """Raise InputError where something does not fit or is missing."""
    if scheme not in get_args(Scheme):
        raise unknown_name("fine-tuning scheme", scheme, get_args(Scheme))
    if scheme == "batch-norm" and not any(True for norm in model.norms for _ in norm.parameters()):
        raise InputError(
            "fine-tuning: expected a network with BatchNorms to train for 'batch-norm', got none; use 'shared'"
        )
    if settings.forward != "tables":
        raise InputError(
            f"fine-tuning.forward: expected 'tables', got '{settings.forward}'; points differ in their tables"
        )
    require_course(settings, teacher, validation, _KEY)
    with under("validation images: "):
        require_fit(model, validation)


def _points(model: OperatingPointModel) -> dict[str, object]:
    """Return what the points multiply with, which the state does not show."""
    return {"assignments": [dict(point.assignment) for point in model.points], "tables": model.tables.hashes()}


@contextmanager
def _training_only(model: OperatingPointModel, scheme: str) -> Iterator[None]:
    """Let gradients reach what a scheme trains alone, and put back what they reached before."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    if scheme == "batch-norm":
        model.requires_grad_(False)
        for norm in model.norms:
            norm.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, wanted in before:
            parameter.requires_grad_(wanted)
