"""What the methods of a run found: one series of objectives for each method and search seed, read from the run's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.pareto import reportable
from dse.report import CsvFile, JsonFile, loss_bound, read_csv
from dse.run_folder import DESIGN_COLUMNS, FURTHER_COLUMNS
from dse.types import Objectives

ENDED = ("converged", "exhausted")  # methods that had nothing left to ask, and so an equal chance
_DESIGN = (*DESIGN_COLUMNS, *FURTHER_COLUMNS, "seed")


@dataclass(frozen=True)
class Series:
    """What one method evaluated with one seed, N designs in the order in which it asked for them."""

    method: str
    seed: int
    run: str  # label of the run
    objectives: Objectives  # (N, K) on the search images, minimised; NaN in every column of a design that failed
    test: Objectives | None  # (P, K) the final front on the test images; None where the run has not measured it
    budget: int  # designs it might have evaluated
    stopped: str  # "budget", or one of ENDED
    max_loss_pp: float | None = None  # its run's bound on the loss

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which designs have objectives `(N,)`."""
        return np.asarray(np.isfinite(self.objectives).all(axis=1))

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which designs a front may hold `(N,)`: scored, and within the run's bound on the loss."""
        return reportable(self.objectives, self.max_loss_pp)


def read_series(
    folder: Path, label: str, metrics: JsonFile, manifest: JsonFile, columns: Sequence[str], budget: int
) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """Read `evaluations.csv` and `front.csv` of a run.

    Args:
        folder: The run.
        label: What the run is called in messages and tables.
        metrics, manifest: Its JSON files.
        columns: Its K objectives.
        budget: Designs that a method which ended of its own accord might have evaluated.

    Returns:
        The series, by method and seed, and the layers.

    Raises:
        InputError: For a missing file or column, a torn row, a cell that is no number, a gap or repetition in the
            evaluations, a column that is no layer, or a method whose front is missing.
    """
    evaluations, front = read_csv(folder / "evaluations.csv"), read_csv(folder / "front.csv")
    layers = _layers(evaluations, manifest, columns)
    if set(_layers(front, manifest, columns)) != set(layers):
        raise InputError(f"{front.path}: its layers are not those of evaluations.csv; repeat the run that wrote it")
    owners, fronts = _rows(evaluations, manifest), _rows(front, manifest)
    figures, tested = _objectives(evaluations, columns), _test_objectives(front, columns)
    designs = list(zip(*(evaluations.texts(layer) for layer in layers), strict=True))
    number, bound = evaluations.numbers("evaluation"), loss_bound(metrics)
    found = []
    for (method, seed), rows in sorted(owners.items()):
        rows = rows[np.argsort(number[rows], kind="stable")]
        _check_order(evaluations, number, rows)
        _check_distinct(evaluations, designs, rows)
        kept = fronts.get((method, seed), rows[:0])
        if len(kept) == 0 and reportable(figures[rows], bound).any():
            raise InputError(f"{front.path}: no row of method '{method}', seed {seed}; repeat the run that wrote it")
        stopped = _stopped(metrics, method, seed)
        most = max(len(rows), budget) if stopped in ENDED else len(rows)
        test = None if tested is None else tested[kept]
        found.append(Series(method, seed, label, figures[rows], test, most, stopped, bound))
    if not found:
        raise InputError(f"{evaluations.path}: no rows; expected the designs of at least one method")
    if foreign := sorted(set(fronts) - set(owners)):
        raise InputError(f"{front.path}: method '{foreign[0][0]}', seed {foreign[0][1]} has no row in evaluations.csv")
    return tuple(found), layers


def _layers(file: CsvFile, manifest: JsonFile, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that hold multipliers; whatever is neither a figure nor a layer is refused."""
    library = manifest.table("hashes", "tables")
    layers = tuple(c for c in file.columns if c not in _DESIGN and c not in columns)
    for layer in layers:
        for row, name in enumerate(file.columns[layer]):
            if name not in library:
                raise file.fault(layer, row, "a multiplier of hashes.tables in manifest.json (is this column a layer?)")
    if not layers:
        raise InputError(f"{file.path}: no column of a layer; repeat the run that wrote it")
    return layers


def _rows(file: CsvFile, manifest: JsonFile) -> dict[tuple[str, int], NDArray[np.int64]]:
    """Return the rows of each method and seed."""
    methods = file.texts("method")
    seeds = file.numbers("seed") if "seed" in file.columns else np.full(len(methods), manifest.count("seed"))
    found: dict[tuple[str, int], list[int]] = {}
    for row, (method, seed) in enumerate(zip(methods, seeds.tolist(), strict=True)):
        if seed != int(seed):
            raise file.fault("seed", row, "a whole number")
        found.setdefault((method, int(seed)), []).append(row)
    return {owner: np.array(rows) for owner, rows in found.items()}


def _objectives(file: CsvFile, columns: Sequence[str]) -> Objectives:
    """Return the objectives `(N, K)`; all cells of a failed design are empty, and nothing else may be."""
    values = np.column_stack([file.numbers(column, gaps=True) for column in columns]).reshape(-1, len(columns))
    missing = np.isnan(values)
    for row in np.flatnonzero(missing.any(axis=1)).tolist():
        for k, column in enumerate(columns):
            filled = bool(file.columns[column][row].strip())
            if filled == bool(missing[row, k]) or not missing[row].all():
                raise file.fault(column, row, "a finite number, or no objective at all for a failed design")
    return values


def _test_objectives(file: CsvFile, columns: Sequence[str]) -> Objectives | None:
    if any(column not in file.columns for column in columns):
        return None
    return np.column_stack([file.numbers(column) for column in columns]).reshape(-1, len(columns))


def _check_order(file: CsvFile, number: np.ndarray, rows: np.ndarray) -> None:
    wrong = np.flatnonzero(number[rows] != np.arange(1, len(rows) + 1))
    if wrong.size:
        raise file.fault("evaluation", int(rows[wrong[0]]), f"{wrong[0] + 1}, each number once for a method and seed")


def _check_distinct(file: CsvFile, designs: list[tuple[str, ...]], rows: np.ndarray) -> None:
    seen: set[tuple[str, ...]] = set()
    for row in rows.tolist():
        if designs[row] in seen:
            raise InputError(f"{file.path}: row {row + 1}: repeats a design of its method and seed; expected each once")
        seen.add(designs[row])


def _stopped(metrics: JsonFile, method: str, seed: int) -> str:
    """Return why a method ended: one word for all its seeds, or one for each."""
    by_method = metrics.data.get("stopped", {})
    if not isinstance(by_method, dict) or method not in by_method:
        return "budget"
    if isinstance(by_method[method], dict):
        return metrics.text("stopped", method, str(seed))
    return metrics.text("stopped", method)
