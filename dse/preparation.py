"""Everything that comes before the searches: from what a run reads to a space, its guidance, and what scores designs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import get_args

import numpy as np
import torch
from torch import nn

from dse.compensation import Compensation
from dse.config import RunConfig
from dse.error_model import ErrorTable, Grade, measure_errors, predict_errors
from dse.evaluator import TEST, VALIDATION, EvaluatorFactory
from dse.inputs import Inputs, constrained_space, quantized
from dse.matching import matching_sweep, sensitivity, tolerances
from dse.nn.convert import operand_formats
from dse.nn.tracing import Trace, trace
from dse.nn.training import TrainingSettings, default_cache_dir, logits, train
from dse.objectives import NetworkEnergy, network_energy
from dse.progress import ProgressDisplay
from dse.robustness import RobustnessProfile, RobustnessSettings, kept_profile, profile_by_name
from dse.search import Guidance
from dse.space import SearchSpace
from dse.variants import LayerTables, choice_tables
from dse.whole_files import writable_folder
from dse.workload import Workload, model_hash, train_workload

_WHICH = {"profile", "compare"}  # settings that say which profiles, and not how


@dataclass(frozen=True)
class Prepared:
    """What searches need, and what their reports say of where it came from."""

    inputs: Inputs  # without choices that are twins of others
    workload: Workload
    trace: Trace
    profile: RobustnessProfile  # the one that guides the searches
    profiles: Mapping[str, RobustnessProfile]  # it and those it is held against, by name
    predictions: Mapping[str, ErrorTable]  # by grade of the error model
    measured_errors: ErrorTable
    energy: NetworkEnergy
    space: SearchSpace
    guidance: Guidance
    factory: EvaluatorFactory  # scores designs
    kept: tuple[str, ...] = ()  # which profiles were learned by an earlier run, and read

    @property
    def tables(self) -> LayerTables:
        """What each choice computes in each layer."""
        return self.factory.tables

    @property
    def errors(self) -> ErrorTable:
        """Predictions of the model that guides the search."""
        return self.predictions[self.inputs.config.error_model.grade]

    @cached_property
    def behaviour(self) -> str:
        """SHA-256 of the classes that the exact quantised network gives the calibration images.

        A network is more than its parameters: what its code makes of them shows here, whichever file the code is in.
        """
        images = self.workload.parts.calibration.x
        exact = self.factory.network(np.zeros(len(self.space.layers), dtype=np.int64))
        return hashlib.sha256(logits(exact, images).argmax(dim=1).numpy().astype("<i8").tobytes()).hexdigest()

    def evaluator_of(self, fidelity: str) -> str:
        """Return the SHA-256 of what figures at one fidelity depend on.

        For noise these are the predicted errors as well, for validation its images: the other figures know nothing of them.
        """
        if fidelity == VALIDATION and (validation := self.factory.validation) is not None:
            return hashlib.sha256(f"{self.evaluator} {validation.content_hash}".encode()).hexdigest()
        return self._noise_evaluator if fidelity.startswith("noise") else self.evaluator

    @property
    def evaluators(self) -> set[str]:
        """The SHA-256 of all fidelities."""
        return {self.evaluator_of(fidelity) for fidelity in (TEST, VALIDATION, "noise")}

    @cached_property
    def _noise_evaluator(self) -> str:
        digest = hashlib.sha256(self.evaluator.encode())
        errors = self.factory.noise_errors
        parts = [errors.mean, errors.std, *(channels.mean for channels in errors.channels)]
        for part in (*parts, np.array([layer.output_std for layer in self.trace.layers])):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @cached_property
    def evaluator(self) -> str:
        """SHA-256 of what the figures of designs depend on."""
        quantisation = self.inputs.config.space.quantisation.model_dump_json()
        return self.factory.hash(f"{quantisation} {self.trace.names}")


def prepare(inputs: Inputs, display: ProgressDisplay) -> Prepared:
    """Train, quantise, trace, learn the robustness and predict the errors."""
    config = inputs.config
    display.start("train")
    workload = train_workload(inputs.untrained, progress=display.update)
    parts = workload.parts
    display.start("quantise")
    model = _fine_tuned(quantized(config, workload), config, workload, display)
    seen = _traced(model, config, workload)
    display.start("learn robustness")
    profiles, model, kept = _learned(model, config, workload, seen, display)
    profile = profiles[config.robustness.profile]
    if config.robustness.profile == "agn" and config.robustness.train == "all":  # the noise has moved the weights
        seen = _traced(model, config, workload)
    display.start("predict errors")
    choices, tables = choice_tables(inputs.choices, seen.operands, seen.x_histograms)
    library = choices.library
    predictions = {grade: predict_errors(seen, library, grade=grade, tables=tables) for grade in get_args(Grade)}
    errors = predictions[config.error_model.grade]
    compensation = _compensation(config, workload, predictions["direct"], seen)
    left = errors if compensation is None else compensation.remaining  # what a layer has to bear
    measured = measure_errors(model, parts.search.x[: config.error_model.truth_images], seen, library, tables=tables)
    energy = network_energy(seen, inputs.energy_table)
    space = constrained_space(
        config,
        choices,
        seen.names,
        seen.op_counts,
        fixed_op_count=seen.fixed_op_count,
        overhead=energy.overhead(config.energy.level),
    )
    guidance = Guidance(
        seeds=matching_sweep(profile, left, library.rel_energy, allowed=space.allowed),
        cost=sensitivity(profile, seen.op_counts, left),
        max_loss=config.search.reference.accuracy_loss_pp,
        tolerance=tolerances(profile, left),
    )
    return Prepared(
        inputs=replace(inputs, choices=choices),
        workload=workload,
        trace=seen,
        profile=profile,
        profiles=profiles,
        predictions=predictions,
        measured_errors=measured,
        energy=energy,
        space=space,
        guidance=guidance,
        factory=EvaluatorFactory(
            model, parts.search, parts.test, tables, seen, errors, config.space_seed, compensation, parts.validation
        ),
        kept=kept,
    )


def _learned(
    model: nn.Module, config: RunConfig, workload: Workload, seen: Trace, display: ProgressDisplay
) -> tuple[dict[str, RobustnessProfile], nn.Module, tuple[str, ...]]:
    """Return the profiles by name, that of the searches first, the network it was learned on, and which were only read."""
    train, settings = workload.parts.train, RobustnessSettings(**config.robustness.model_dump(exclude=set(_WHICH)))
    learn = partial(
        profile_by_name,
        images=train.x,
        labels=train.y,
        op_counts=seen.op_counts,
        settings=settings,
        seed=config.space_seed,
        progress=display.update,
    )
    name = config.robustness.profile
    profiles: dict[str, RobustnessProfile] = {}
    if name == "agn" and settings.train == "all":
        profiles[name], model = learn(name, model)
    folder, given = writable_folder(default_cache_dir()), _given(model, config, workload, seen)
    kept: list[str] = []
    for other in (name, *config.robustness.compare):
        if other not in profiles:
            file = folder / f"{hashlib.sha256(f'{other} {given}'.encode()).hexdigest()}.profile.safetensors"
            kept += [other] if file.exists() else []
            profiles[other] = kept_profile(file, partial(learn, other, model))
    return profiles, model, tuple(kept)


def _given(model: nn.Module, config: RunConfig, workload: Workload, seen: Trace) -> str:
    """Return what a profile of a network depends on, as a text."""
    given = {
        "model": model_hash(model),
        "formats": operand_formats(model),
        "outputs": [layer.output_std for layer in seen.layers],  # what its code makes of the parameters
        "op_counts": seen.op_counts.tolist(),
        "images": workload.parts.train.content_hash,
        "settings": config.robustness.model_dump(exclude=set(_WHICH)),
        "seed": config.space_seed,
        "torch": torch.__version__,
    }
    return json.dumps(given, sort_keys=True)


def _compensation(config: RunConfig, workload: Workload, errors: ErrorTable, seen: Trace) -> Compensation | None:
    methods = tuple(config.compensation.methods)
    images = workload.parts.calibration.x[: config.compensation.images]
    return Compensation(methods, images, errors, seen) if methods else None


def _traced(model: nn.Module, config: RunConfig, workload: Workload) -> Trace:
    images = workload.parts.calibration.x
    return trace(model, images, patches=config.error_model.patches, seed=config.space_seed)


def _fine_tuned(model: nn.Module, config: RunConfig, workload: Workload, display: ProgressDisplay) -> nn.Module:
    quantisation = config.space.quantisation
    if quantisation.fine_tune_epochs:
        settings = TrainingSettings(
            quantisation.fine_tune_epochs, batch_size=64, lr=quantisation.fine_tune_lr, weight_decay=0
        )
        train(model, workload.parts.train, settings, seed=config.space_seed, progress=display.update)
    return model
