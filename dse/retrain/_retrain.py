"""Train a quantised network through the multipliers of a design, and keep the best epoch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dse.exceptions import InputError
from dse.nn.convert import Given, quantized_layers, simulate
from dse.nn.datasets import Part
from dse.nn.lut_gradient import simulate_trainable
from dse.nn.training import Progress
from dse.retrain._course import Epoch, best_of, course_trainer, require_course, run_course, validated
from dse.retrain._key import content_hash
from dse.retrain._noise import OutputError, inject
from dse.retrain._settings import RetrainSettings
from dse.whole_files import writable_folder


@dataclass(frozen=True)
class Retrained:
    """A network with the weights of its best epoch, and how it came to them."""

    model: nn.Module  # quantised, simulating the design bit-exactly
    log: tuple[Epoch, ...]  # from epoch 0, the network before training
    best: Epoch  # whose weights the model has, by validation images; may be epoch 0


@torch.inference_mode(False)  # gradients are needed, wherever this is called
@torch.enable_grad()
def retrain(
    model: nn.Module,
    tables: Mapping[str, Given],
    train: Part,
    validation: Part,
    settings: RetrainSettings,
    *,
    seed: int,
    noise: Mapping[str, OutputError] | None = None,
    teacher: nn.Module | None = None,
    cache_dir: Path | None = None,
    key: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Retrained:
    """Retrain a copy of `model`, a quantised network with whatever corrections its layers have, for one design.

    Cross-entropy is minimised, or with `settings.distil` the loss of `distillation`.

    On one machine with one number of threads the same arguments give the same weights. In a cache folder every epoch is kept
    in a file that is named by a hash over all that the outcome depends on: a training that was killed goes on where it was,
    with the weights that it would have come to, and a finished one is read.

    Args:
        model: The quantised network to start from.
        tables: Layer -> multiplier, as for `dse.nn.convert.simulate`; layers that it does not name are exact.
        train: Images to train with.
        validation: Images that choose the epoch; none that scores designs or results.
        settings: How.
        seed: Of everything random.
        noise: Predicted errors by layer, for `settings.forward = "noise"`.
        teacher: The float network, for `settings.distil` above 0.
        cache_dir: Folder of the files, made when missing; None keeps nothing.
        key: What else the outcome depends on and the model's state does not show, such as its name.
        progress: Called after every epoch.

    Raises:
        InputError: The model is not quantised, tables or images do not fit it, what the settings need is missing, the loss
            diverged, or the cache folder cannot be written.
    """
    if settings.forward == "noise" and noise is None:
        raise InputError("retrain.forward: 'noise' needs predicted errors; pass noise=")
    require_course(settings, teacher, validation, "retrain")
    # What the settings do not ask for decides nothing, and is no part of the file's name.
    noise, teacher = noise if settings.forward == "noise" else None, teacher if settings.distil else None
    model = copy.deepcopy(model)
    simulate(model, tables)
    file = None
    if cache_dir is not None:
        given = {"seed": seed, "key": dict(key or {}), "settings": asdict(settings)}
        name = content_hash(model, train, validation, noise, teacher, given)
        file = writable_folder(cache_dir) / f"{name}.retrain.safetensors"
    simulated, training = _arithmetics(model), _training_arithmetics(model, tables, noise, settings)
    log = run_course(
        course_trainer(model, train, settings, seed=seed, teacher=teacher, key="retrain"),
        model,
        settings,
        measure=partial(validated, model, validation),
        training=partial(_give, model, training),
        measuring=partial(_give, model, simulated),
        file=file,
        progress=progress,
    )
    return Retrained(model.eval(), log, best_of(log, settings.keep))


def held_out(part: Part, count: int) -> tuple[Part, Part]:
    """Return a part without its last `count` images, and these: images to train with, and to validate on.

    Raises:
        InputError: One of the two would be empty.
    """
    if not 1 <= count < len(part):
        raise InputError(
            f"retrain.validation_images: expected 1 or more and fewer than the {len(part)} training images, got {count}"
        )
    return Part(part.x[:-count], part.y[:-count]), Part(part.x[-count:], part.y[-count:])


def _arithmetics(model: nn.Module) -> list[nn.Module]:
    return [layer.arithmetic for layer in quantized_layers(model).values()]


def _training_arithmetics(
    model: nn.Module,
    tables: Mapping[str, Given],
    noise: Mapping[str, OutputError] | None,
    settings: RetrainSettings,
) -> list[nn.Module]:
    """Return what training passes compute with, layer by layer; the model keeps what it has."""
    simulated = _arithmetics(model)
    if noise is None:
        simulate_trainable(model, tables, gradient=settings.gradient, window=settings.window)
    else:
        inject(model, noise)
    training = _arithmetics(model)
    _give(model, simulated)
    return training


def _give(model: nn.Module, arithmetics: list[nn.Module]) -> None:
    for layer, arithmetic in zip(quantized_layers(model).values(), arithmetics, strict=True):
        layer.arithmetic = arithmetic
