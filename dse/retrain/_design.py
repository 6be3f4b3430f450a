"""Retrain designs of a prepared run, and say on its test images what that gained."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dse.config import RetrainConfig
from dse.nn.convert import Given
from dse.nn.datasets import Part
from dse.nn.devices import find_device
from dse.nn.models import load_weights
from dse.nn.training import DEFAULT_SETTINGS, Progress, default_cache_dir, right_answers
from dse.paired import Difference, Right, gains
from dse.preparation import Prepared
from dse.retrain._noise import predicted_errors
from dse.retrain._retrain import Retrained, held_out, retrain
from dse.retrain._settings import RetrainSettings
from dse.run_folder import hardware
from dse.types import Assignment
from dse.workload import model_hash


@dataclass(frozen=True, eq=False)
class RetrainedDesign:
    """A design before and after retraining; accuracies are fractions of the test images, simulated bit-exactly."""

    name: str
    retrained: Retrained
    assignment: Mapping[str, str]  # layer -> multiplier
    rel_energy: float
    accuracy: Mapping[str, float]  # float; exact (8 bits, not retrained); before; after
    right: Mapping[str, Right]  # which test images each of these answers right
    gain: Difference  # after against before
    loss_before: Difference  # exact against before
    loss_after: Difference  # exact against after
    facts: Mapping[str, Any]  # seed, settings, images, hashes, and whether the run's network was begun with


class Retrainer:
    """Retrains designs of a prepared run.

    Epochs are chosen on the run's validation part. Where it has none, images are held out of its training part.

    Args:
        prepared: The run.
        config: How.

    Raises:
        InputError: A setting out of its range, too few training images, or a device that is not here.
    """

    def __init__(self, prepared: Prepared, config: RetrainConfig) -> None:
        run = prepared.inputs.config
        self._prepared, self._test, self._known = prepared, prepared.workload.parts.test, KnownAnswers(prepared)
        self._seed = run.seed if config.seed is None else config.seed
        self._settings, self._device = retrain_settings(prepared, config), find_device(config.device, "retrain.device")
        self._train, self._validation = retrain_parts(prepared, config)

    def __call__(
        self, name: str, assignment: Assignment, *, start: Path | None = None, progress: Progress | None = None
    ) -> RetrainedDesign:
        """Retrain the design `assignment` (L,).

        Args:
            name: Of the design, for its folder.
            assignment: Index of each layer's multiplier.
            start: File with weights of the quantised network to begin with, instead of the run's.
            progress: Called after every epoch.

        Raises:
            InputError: As `retrain`; or the file is not of this network.
        """
        prepared = self._prepared
        model, tables = design_network(prepared, assignment)
        if start is not None:
            load_weights(model, start)
        before = right_answers(model, self._test)
        made = retrain(
            model.to(self._device),
            tables,
            self._train,
            self._validation,
            self._settings,
            seed=self._seed,
            noise=predicted_errors(prepared.errors, assignment),
            teacher=copy.deepcopy(prepared.workload.model).to(self._device),
            cache_dir=default_cache_dir(),
            key={"model": prepared.workload.model_name},
            progress=progress,
        )
        made = replace(made, model=made.model.cpu())  # figures come from where the run's do
        after = right_answers(made.model, self._test)
        names = [prepared.space.multipliers[choice] for choice in assignment]
        right = {"float": self._known.unquantised, "exact": self._known.exact, "before": before, "after": after}
        return RetrainedDesign(
            name=name,
            retrained=made,
            assignment=dict(zip(prepared.space.layers, names, strict=True)),
            rel_energy=float(prepared.space.energy(assignment[None])[0]),
            accuracy={kind: float(answers.mean()) for kind, answers in right.items()},
            right=right,
            **gains(right),
            facts={**self._facts(model, made, names), "start": "run" if start is None else "other weights"},
        )

    def _facts(self, start: nn.Module, made: Retrained, names: Sequence[str]) -> dict[str, Any]:
        """Return what the outcome depends on."""
        library = {multiplier.name: multiplier for multiplier in self._prepared.inputs.library}
        parts = {"train": self._train, "validation": self._validation, "test": self._test}
        return {
            "seed": self._seed,
            "settings": asdict(self._settings),
            "images": {name: len(part) for name, part in parts.items()},
            "hashes": {
                "float_model": model_hash(self._prepared.workload.model),
                "start": model_hash(start),
                "weights": model_hash(made.model),
                "tables": {name: library[name].table_hash for name in dict.fromkeys(names)},
                **{name: part.content_hash for name, part in parts.items()},
            },
            "hardware": {**hardware(), "threads": torch.get_num_threads()},
        }


def retrain_settings(prepared: Prepared, config: RetrainConfig) -> RetrainSettings:
    """Return how a run's designs are retrained; augmentation is that of the float network's training unless given."""
    what = {"designs", "methods", "uniform", "validation_images", "seed", "device"}  # and not how
    return RetrainSettings(**{"augment": _augment(prepared), **config.model_dump(exclude=what, exclude_none=True)})


def retrain_parts(prepared: Prepared, config: RetrainConfig) -> tuple[Part, Part]:
    """Return the images to train with and those that choose epochs: see `Retrainer`."""
    train, validation = prepared.workload.parts.train, prepared.workload.parts.validation
    wanted = max(1, len(train) // 10) if config.validation_images is None else config.validation_images
    return held_out(train, wanted) if validation is None else (train, validation)


class KnownAnswers:
    """Which of a run's test images its networks before any retraining answer right, `(N,)` each; found when asked for."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared

    @cached_property
    def exact(self) -> Right:
        """Those of the exact 8-bit network."""
        layers = len(self._prepared.space.layers)
        network, _ = design_network(self._prepared, np.zeros(layers, dtype=np.int64))
        return right_answers(network, self._prepared.workload.parts.test)

    @cached_property
    def unquantised(self) -> Right:
        """Those of the float network."""
        return right_answers(self._prepared.workload.model, self._prepared.workload.parts.test)


def design_network(prepared: Prepared, assignment: Assignment) -> tuple[nn.Module, dict[str, Given]]:
    """Return a copy of the run's network that simulates a design, and what each of its layers multiplies with."""
    return prepared.factory.network(assignment), dict(prepared.factory.given(assignment))


def _augment(prepared: Prepared) -> str:
    """Return how the float network's training augments, its own or that of the network known by its name."""
    space = prepared.inputs.config.space
    if space.training is not None and space.training.augment is not None:
        return space.training.augment
    known = DEFAULT_SETTINGS.get(space.model.name or "")
    return "none" if known is None else known.augment
