"""Evaluate designs of a finished run again, from the network up, and say whether they are what the run says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dse.evaluator import TEST, VALIDATION, Job
from dse.exceptions import InputError
from dse.fidelity import TOP
from dse.inputs import load_inputs
from dse.manifest import identity
from dse.nn.datasets import Dataset
from dse.preparation import prepare
from dse.progress import ProgressDisplay
from dse.report import RunData, load_run
from dse.run_folder import environment, hardware
from dse.study import reopen
from dse.types import Floats, Population

_FIDELITY = {"search": TOP, "validation": VALIDATION, "test": TEST}  # of the parts that score designs
_ENERGY_TOLERANCE = 1e-12  # relative: the order of a sum


@dataclass(frozen=True)
class Verified:
    """One design, as the run has it and as it is found now."""

    method: str
    design: int  # its row among the method's in front.csv, from 0
    verdict: str  # "identical", "within tolerance" or "different"
    rel_energy: tuple[float, float]
    loss_pp: Mapping[str, tuple[float, float]]  # on the images of each part that scores designs


@dataclass(frozen=True)
class Verification:
    """What became of some designs, and what differs between the run and now that could explain it."""

    designs: tuple[Verified, ...]
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether no design is different."""
        return all(design.verdict != "different" for design in self.designs)


def verify(
    folder: str | Path,
    *,
    designs: int = 5,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    display: ProgressDisplay | None = None,
) -> Verification:
    """Train (or load), quantise and simulate again, without the study file's figures.

    A design is within tolerance where each loss is off by at most one image and the energy in the last digits.

    Args:
        folder: A finished run.
        designs: How many designs, spread evenly over the fronts of its methods.
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
    display.finish()
    found = tuple(
        _verdict(run, method, number, float(energies[i]), {name: float(loss[i]) for name, loss in losses.items()}, images)
        for i, (method, number) in enumerate(chosen)
    )
    return Verification(found, tuple(_differences(run, identity(prepared)["hashes"])))


def _spread(run: RunData, count: int) -> list[tuple[str, int]]:
    """Return methods and numbers of designs at equal distances along all fronts, one after the other."""
    every = [(method, number) for method, front in run.fronts.items() for number in range(len(front.population))]
    if not every:
        raise InputError(f"{run.path}: its fronts are empty; there is nothing to verify")
    return [every[i] for i in np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))]


def _losses(evaluate: Any, population: Population, fidelity: str) -> Floats:
    """Return the losses of designs against the exact network, pp."""
    with_exact = np.vstack([np.zeros_like(population[:1]), population])
    accuracies = np.array([figures["accuracy"] for figures in evaluate(Job(with_exact, fidelity))])
    return 100 * (accuracies[0] - accuracies[1:])


def _verdict(
    run: RunData, method: str, number: int, energy: float, losses: Mapping[str, float], images: Mapping[str, int]
) -> Verified:
    front = run.fronts[method]
    pairs = {part: (float(known[number]), losses[part]) for part, known in front.losses_pp.items()}
    energies = float(front.rel_energy[number]), energy
    apart = {part: abs(there - here) for part, (there, here) in pairs.items()}
    same_energy = abs(energies[0] - energies[1]) <= _ENERGY_TOLERANCE * energies[0]
    if max(apart.values()) < 1e-9 and energies[0] == energies[1]:  # losses are differences of fractions
        verdict = "identical"
    elif same_energy and all(gap <= 100 / images[part] + 1e-9 for part, gap in apart.items()):
        verdict = "within tolerance"
    else:
        verdict = "different"
    return Verified(method, int(front.number[number]), verdict, energies, pairs)


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
