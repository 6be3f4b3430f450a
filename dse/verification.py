"""Evaluate designs of a finished run again, from the network up, and say whether they are what the run says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dse.evaluator import TEST, VALIDATION, Job
from dse.exceptions import InputError
from dse.factors import Factors, distance, read_factors
from dse.fidelity import TOP
from dse.inputs import load_inputs
from dse.manifest import identity
from dse.nn.datasets import Dataset
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.report import RunData, load_run
from dse.retrain import RetrainingVerifier, VerifiedRetraining
from dse.run_folder import FACTORS, environment, hardware, retrained_folders
from dse.search import evenly
from dse.study import reopen
from dse.types import Assignment, Floats, Population

_FIDELITY = {"search": TOP, "validation": VALIDATION, "test": TEST}  # of the parts that score designs
_ENERGY_TOLERANCE = 1e-12  # relative: the order of a sum
_FACTOR_TOLERANCE = 1e-4  # relative: a few calibration codes that another machine rounds the other way


@dataclass(frozen=True)
class Verified:
    """One design, as the run has it and as it is found now."""

    method: str
    design: int  # its row among the method's in front.csv, from 0
    verdict: str  # "identical", "within tolerance" or "different"
    rel_energy: tuple[float, float]
    loss_pp: Mapping[str, tuple[float, float]]  # on the images of each part that scores designs
    factors_apart: float | None  # largest relative difference of what compensates it; None: nothing, or not kept


@dataclass(frozen=True)
class Verification:
    """What became of some designs, and what differs between the run and now that could explain it."""

    designs: tuple[Verified, ...]
    differences: tuple[str, ...]
    retrained: tuple[VerifiedRetraining, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no design is different."""
        return "different" not in self.verdicts

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Those of all designs."""
        return tuple(d.verdict for d in self.designs) + tuple(d.verdict for d in self.retrained)


def verify(
    folder: str | Path,
    *,
    designs: int = 5,
    retrained: int | None = None,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    display: ProgressDisplay | None = None,
) -> Verification:
    """Train (or load), quantise and simulate again, without the study file's figures.

    A design is within tolerance where each loss is off by at most one image, the energy in the last digits, and factors that
    compensate it by a ten-thousandth. Retrained designs are loaded and simulated as well (`dse.retrain.RetrainingVerifier`).

    Args:
        folder: A finished run.
        designs: How many designs, spread evenly over the fronts of its methods.
        retrained: How many of the designs in its folder of retrained ones, spread evenly by name; all when None.
        model, dataset: As they were handed to `dse.run`.
        display: Shows progress; silent when None.

    Raises:
        InputError: The run is not finished, or what it names cannot be loaded.
    """
    display = display if display is not None else ProgressDisplay.silent()
    folder = Path(folder)
    run = load_run(folder)
    config, study = reopen(folder)
    study.close()
    chosen = _spread(run, designs)
    display.start("load")
    prepared = prepare(load_inputs(config, model=model, dataset=dataset), display)
    display.start("evaluate")
    if run.layers != prepared.space.layers or run.multipliers != prepared.space.multipliers:
        raise InputError(f"{folder}: layers or multipliers are not those of the run any more; put back what it was run with")
    population = np.array([run.fronts[method].population[number] for method, number in chosen], dtype=np.int64)
    evaluate = prepared.factory()
    images = {name: len(part) for name, part in prepared.workload.parts.by_name.items() if name in _FIDELITY}
    losses = {name: _losses(evaluate, population, _FIDELITY[name]) for name in images}
    energies = prepared.space.energy(population)
    factors = _factors_apart(run, population, prepared)
    found = tuple(
        _verdict(
            run,
            method,
            number,
            float(energies[i]),
            {part: float(loss[i]) for part, loss in losses.items()},
            images,
            factors[i],
        )
        for i, (method, number) in enumerate(chosen)
    )
    display.start("retrained designs")
    checked = tuple(map(RetrainingVerifier(prepared), _retrained(folder, retrained)))
    display.finish()
    return Verification(found, tuple(_differences(run, identity(prepared)["hashes"])), checked)


def _spread(run: RunData, count: int) -> list[tuple[str, int]]:
    """Return methods and numbers of designs at equal distances along all fronts, one after the other."""
    every = [(method, number) for method, front in run.fronts.items() for number in range(len(front.population))]
    if not every:
        raise InputError(f"{run.path}: its fronts are empty; there is nothing to verify")
    return [every[i] for i in evenly(len(every), count)]


def _retrained(folder: Path, count: int | None) -> list[Path]:
    """Return at most `count` folders of retrained designs; all when None."""
    every = retrained_folders(folder)
    return [every[i] for i in evenly(len(every), len(every) if count is None else count)]


def _factors_apart(run: RunData, population: Population, prepared: Prepared) -> list[float | None]:
    """Return how far the kept factors of designs `(P, L)` are from what is found now; None where none are kept."""
    found = prepared.factory.factors(population)
    if found is None or not (run.path / FACTORS).exists():  # earlier runs kept none
        return [None] * len(population)
    return [_apart(run.path / FACTORS, design, now) for design, now in zip(population, found.factors, strict=True)]


def _apart(path: Path, design: Assignment, now: Factors) -> float:
    try:
        return distance(read_factors(path, design), now)
    except InputError:  # damaged, or of other designs
        return math.inf


def _losses(evaluate: Any, population: Population, fidelity: str) -> Floats:
    """Return the losses of designs against the exact network, pp."""
    with_exact = np.vstack([np.zeros_like(population[:1]), population])
    accuracies = np.array([figures["accuracy"] for figures in evaluate(Job(with_exact, fidelity))])
    return 100 * (accuracies[0] - accuracies[1:])


def _verdict(
    run: RunData,
    method: str,
    number: int,
    energy: float,
    losses: Mapping[str, float],
    images: Mapping[str, int],
    factors: float | None,
) -> Verified:
    front = run.fronts[method]
    pairs = {part: (float(known[number]), losses[part]) for part, known in front.losses_pp.items()}
    energies = float(front.rel_energy[number]), energy
    apart = {part: abs(there - here) for part, (there, here) in pairs.items()}
    same_energy = abs(energies[0] - energies[1]) <= _ENERGY_TOLERANCE * energies[0]
    close = all(gap <= 100 / images[part] + 1e-9 for part, gap in apart.items())
    if max(apart.values()) < 1e-9 and energies[0] == energies[1] and not factors:  # losses are differences of fractions
        verdict = "identical"
    elif same_energy and close and (factors or 0.0) <= _FACTOR_TOLERANCE:
        verdict = "within tolerance"
    else:
        verdict = "different"
    return Verified(method, int(front.number[number]), verdict, energies, pairs, factors)


def _differences(run: RunData, hashes: dict[str, Any]) -> list[str]:
    """Say what is not as it was when the run was made."""
    there, now = run.manifest.data, {**environment(), "hardware": hardware(), "hashes": hashes}
    lines = [f"{name}: other SHA-256" for name in hashes if there.get("hashes", {}).get(name) != hashes[name]]
    for table in ("versions", "hardware"):
        known = there.get(table, {})
        changed = [(key, value) for key, value in now[table].items() if known.get(key) != value]
        lines += [f"{key}: {known.get(key)} there, {value} here" for key, value in changed]
    if there.get("git_commit") != now["git_commit"]:
        lines.append(f"commit: {there.get('git_commit')} there, {now['git_commit']} here")
    return lines
