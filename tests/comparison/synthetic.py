"""Synthetic runs: only the files that a comparison reads, cheap to make, the same at every call."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dse.pareto import non_dominated

LAYERS = ("conv1", "conv2", "fc")
LIBRARY = tuple(f"mul{m}" for m in range(24))
Series = Mapping[tuple[str, int], Sequence[Sequence[float] | None]]  # (method, seed) -> objectives, None: failed


def write_run(
    folder: Path,
    series: Series,
    *,
    columns: Sequence[str] = ("rel_energy", "accuracy_loss_pp"),
    reference: Sequence[float] = (1.0, 10.0),
    budget: int | None = None,
    stopped: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    tables: Mapping[str, str] | None = None,
) -> Path:
    """Write a run of these series; test figures are the search figures and one pp of loss more."""
    folder.mkdir(parents=True)
    most = max(map(len, series.values())) if budget is None else budget
    lines = ["[space]", *(f"{key} = {value}" for key, value in ({"tiles": 4} if space is None else space).items())]
    others = [f"{name} = {table}" for name, table in (tables or {}).items()]
    (folder / "config.toml").write_text("\n".join([*others, *lines, "[search]", f"evaluations = {most}", ""]))
    hashes = {"model": "aa11", "data": "bb22", "library": "cc33", "energy_table": "dd44"}
    described = {
        "seed": 0,
        "model": "net",
        "dataset": "digits",
        "format": "sm8",
        "hashes": {**hashes, "tables": dict.fromkeys(LIBRARY, "ee55")},
        "versions": {"dse": "0.1.0"},
    }
    told = {
        "reference_point": dict(zip(columns, reference, strict=True)),
        "images": {"train": 9, "calibration": 9, "search": 500, "test": 360},
        "energy": {"level": "multiplier"},
        "stopped": dict(stopped or {}),
    }
    if tuple(columns) != ("rel_energy", "accuracy_loss_pp"):
        told["objectives"] = list(columns)
    write_json(folder / "manifest.json", merged(described, manifest or {}))
    write_json(folder / "metrics.json", merged(told, metrics or {}))
    _write_tables(folder, series, columns)
    return folder


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables with some values replaced."""
    both = {**base, **change}
    return {k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in both.items()}


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data))


def _write_tables(folder: Path, series: Series, columns: Sequence[str]) -> None:
    evaluations: list[list[Any]] = []
    fronts: list[list[Any]] = []
    for (method, seed), rows in series.items():
        scored = [(i, row) for i, row in enumerate(rows) if row is not None]
        for i, row in enumerate(rows):
            figures = [""] * len(columns) if row is None else [repr(float(v)) for v in row]
            evaluations.append([method, seed, i + 1, *figures, *design(i)])
        points = np.array([row for _, row in scored]).reshape(-1, len(columns))
        for place in np.flatnonzero(non_dominated(points)).tolist():
            i, row = scored[place]
            test = [float(row[0]), float(row[1]) + 1.0, *map(float, row[2:])]
            fronts.append([method, seed, i + 1, *test, *design(i)])
    header = ["method", "seed", "evaluation", *columns, *LAYERS]
    write_csv(folder / "evaluations.csv", [header, *evaluations])
    write_csv(folder / "front.csv", [header, *fronts])


def design(i: int) -> list[str]:
    """Return a different design for each of 24^3 numbers."""
    return [LIBRARY[i // 24**k % 24] for k in range(len(LAYERS))]


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def search(skill: float, seed: int, evaluations: int, k: int = 2) -> list[list[float]]:
    """Return objectives that get nearer to a front with every evaluation, faster with more skill."""
    rng = np.random.default_rng([seed, int(1000 * skill)])
    energy = rng.uniform(0.05, 1.0, evaluations)
    late = np.arange(evaluations) / evaluations
    gap = rng.exponential(3.0, evaluations) * np.exp(-skill * late) + 0.3 / skill * rng.uniform(0.5, 1.5)
    loss = np.round(1.5 * (1 / (energy + 0.2) - 1 / 1.2) + gap, 2)
    extra = rng.uniform(0, 1, (evaluations, k - 2))
    return np.column_stack([energy, loss, extra]).tolist()  # type: ignore[no-any-return]
