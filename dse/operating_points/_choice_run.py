"""Operating points of a finished run: chosen, evaluated on every part of the data, and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dse.exceptions import InputError
from dse.execution import Execution, open_figures
from dse.fidelity import TOP
from dse.nn.datasets import Dataset, Part
from dse.nn.training import right_answers
from dse.operating_points._choice import choose_points
from dse.operating_points._choice_points import OperatingPoints
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._points_file import EXPECTED, FILES, Rated, StoredPoints, write_points
from dse.operating_points._published_choice import choose_published
from dse.operating_points._run import prepare_run
from dse.pareto import non_dominated
from dse.places import check_place
from dse.preparation import Prepared
from dse.progress import ProgressDisplay
from dse.report import RunData, load_run
from dse.status import open_study
from dse.stored import StoredFigures
from dse.types import Floats, Population

Method = Literal["ours", "published"]
METHODS = {"ours": choose_points, "published": choose_published}


def choose_run(
    folder: Path | str,
    request: PointsRequest,
    out: Path | str,
    *,
    method: Method = "ours",
    overwrite: bool = False,
    jobs: int = 1,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    display: ProgressDisplay | None = None,
) -> StoredPoints:
    """Choose operating points for the network of a finished run, and write them into a folder.

    They are chosen on the run's search images, with its profile; the front that its searches found is evaluated beside them,
    for a governor's trace to be served with single designs as well. The run's study answers the designs that it knows and
    keeps the others as they come: what was interrupted goes on when it is asked for again.

    Args:
        folder: The run's folder.
        request: What is asked for.
        out: Folder to write.
        method: `ours` or `published`.
        overwrite: Replace earlier operating points there.
        jobs: Designs simulated at a time, each in a process of its own when more than one; no result depends on it.
        model, dataset: As they were handed to `dse.run`.
        display: Shows progress; silent when None.

    Raises:
        InputError: The run is not finished or not what it was, `out` is taken, or the request cannot be met; nothing is
            written then.
    """
    folder, out, display = Path(folder), Path(out), display if display is not None else ProgressDisplay.silent()
    if method not in METHODS:
        raise InputError(f"method: expected {' or '.join(METHODS)}, got '{method}'")
    run = load_run(folder)
    check_place(out, "operating points", FILES, overwrite=overwrite)
    prepared = prepare_run(run, model=model, dataset=dataset, display=display)
    place = os.path.relpath(folder.resolve(), out.resolve())
    facts = {"run_folder": place, "method": method, "request": _plain(request)}
    with open_study(folder) as study, open_figures(prepared, study, Execution(jobs=jobs)) as figures:
        evaluate = SearchFigures(figures(TOP), display, request.evaluations)
        display.start("choose operating points")
        found = METHODS[method](prepared.space, prepared.guidance, request, evaluate)
        display.start("score operating points")
        stored = _stored(prepared, run, found, evaluate, facts)
    names = np.array(prepared.space.multipliers)
    seen = found.simulated
    rows = [
        [float(energy), float(loss), *names[design].tolist()]
        for energy, loss, design in zip(seen.rel_energy, seen.loss_pp, seen.population, strict=True)
    ]
    write_points(stored, rows, out)
    display.finish()
    return stored


class SearchFigures:
    """Accuracy loss (pp) and divergence (nats) of designs on the search images: `(P, L)` -> `(P, 2)`, NaN for failures.

    Args:
        stored: Figures of designs; what it knows or learns lies in a study file.
        display, total: Shows how many designs were asked for, of so many.
    """

    def __init__(self, stored: StoredFigures, display: ProgressDisplay, total: int) -> None:
        self._stored, self._display, self._total, self._done = stored, display, total, 0

    def __call__(self, population: Population) -> Floats:
        """Simulate what is not known."""
        exact = self._stored.exact(population.shape[1])["accuracy"]
        accuracy, divergence = (self._stored.column(name, population) for name in ("accuracy", "kl"))
        self._done += len(population)
        self._display.update(min(self._done, self._total), self._total)
        return np.column_stack([100 * (exact - accuracy), divergence])


def _stored(
    prepared: Prepared, run: RunData, found: OperatingPoints, evaluate: SearchFigures, facts: Mapping[str, Any]
) -> StoredPoints:
    """Return points and the run's front with their figures on all parts that choose or judge."""
    parts = _parts(prepared)
    exact = np.zeros((1, len(prepared.space.layers)), dtype=np.int64)
    right_exact = {name: _right(prepared, exact, part) for name, part in parts.items()}
    names, front = _front(run)
    names_of = np.array(prepared.space.multipliers)

    def rated(names: tuple[str, ...], designs: Population) -> Rated:
        right = {name: _right(prepared, designs, part) for name, part in parts.items()}
        losses = {name: 100 * (right_exact[name].mean() - answers.mean(axis=1)) for name, answers in right.items()}
        expected = found.simulated.expect(evaluate(designs)[:, 1])
        return Rated(names, prepared.space.energy(designs), {EXPECTED: expected, **losses}, right["test"])

    first = np.unique(prepared.space.circuit_of, return_index=True)[1]  # choice of each circuit, which it is named as
    hashes: dict[str, Any] = {name: run.manifest.text("hashes", name) for name in ("model", "data", "library")}
    used = np.unique(found.assignments)
    hashes["tables"] = {name: run.manifest.text("hashes", "tables", name) for name in sorted(names_of[used].tolist())}
    circuits = names_of[first[prepared.space.circuit_of[used]]].tolist()
    return StoredPoints(
        layers=prepared.space.layers,
        instances=tuple(names_of[first[found.circuits]].tolist()),
        assignments=tuple(tuple(row) for row in names_of[found.assignments].tolist()),
        points=rated(tuple(f"point {o}" for o in range(len(found.assignments))), found.assignments),
        front=rated(names, front),
        exact=right_exact["test"][0],
        facts={
            "run": run.manifest.text("name"),
            **facts,
            "evaluations": len(found.simulated.population),
            "hypervolume": found.hypervolume,
            "images": {name: len(part) for name, part in parts.items()},
            "exact_accuracy": {name: float(right.mean()) for name, right in right_exact.items()},
            "hashes": hashes,
        },
        variants={name: circuit for name, circuit in zip(names_of[used].tolist(), circuits, strict=True) if name != circuit},
    )


def _parts(prepared: Prepared) -> dict[str, Part]:
    scoring = ("search", "validation", "test")
    return {name: part for name, part in prepared.workload.parts.by_name.items() if name in scoring}


def _front(run: RunData) -> tuple[tuple[str, ...], Population]:
    """Return the undominated designs of all the run's fronts, judged on search images, by rising energy."""
    fronts = [(method, front) for method, front in run.fronts.items() if len(front.population)]
    none = np.zeros((0, len(run.layers)), dtype=np.int64)
    designs = np.vstack([none, *(front.population for _, front in fronts)])
    names = np.array([f"{method} {number}" for method, front in fronts for number in front.number])
    objectives = np.array([pair for _, front in fronts for pair in zip(front.rel_energy, front.search_loss_pp, strict=True)])
    best = np.flatnonzero(non_dominated(objectives.reshape(-1, 2)))
    best = best[np.argsort(objectives.reshape(-1, 2)[best, 0], kind="stable")]
    return tuple(names[best].tolist()), designs[best]


def _right(prepared: Prepared, designs: Population, part: Part) -> NDArray[np.bool_]:
    """Return which images of a part each design classifies right, `(P, N)`."""
    right = np.zeros((len(designs), len(part)), dtype=bool)
    for row, design in zip(right, designs, strict=True):
        row[:] = right_answers(prepared.factory.network(design), part)
    return right


def _plain(request: PointsRequest) -> dict[str, Any]:
    plain = asdict(request)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
