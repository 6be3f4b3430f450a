"""A finished run as a comparison sees it: its series, what it searched, and what it was set to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.comparison._series import Series, read_series
from dse.exceptions import InputError
from dse.report import JsonFile, objective_names, read_json
from dse.toml_files import read_toml
from dse.types import Floats

EVALUATOR = ("hashes.model", "hashes.data", "hashes.library", "format")  # what decides a design's figures
# tables of a configuration that decide what methods are told, and what becomes of their designs
_TABLES = (
    ("space", "constraints"),
    ("space", "layers"),
    ("space", "quantisation"),
    ("robustness",),
    ("error_model",),
    ("compensation",),
    ("search", "reference"),
)
Value = str | int | float | None


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    label: str  # its folder's name, with as many parents as tell it from the others
    title: str  # network on data
    evaluator: Mapping[str, Value]  # by EVALUATOR
    settings: Mapping[str, Value]  # what must be equal within a problem beside the evaluator
    columns: tuple[str, ...]  # (K,) objectives
    layers: tuple[str, ...]
    reference: Floats  # (K,) its reference point
    commit: str | None  # of the package that made it
    series: tuple[Series, ...]


def read_runs(paths: Sequence[str | Path]) -> tuple[Run, ...]:
    """Read finished runs, ordered by what is in them, so that the order of `paths` does not matter.

    Raises:
        InputError: One line that names file and key, for whatever is missing or not as it should be.
    """
    folders = [Path(path) for path in paths]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; expected the folder of a finished run")
    resolved = [folder.resolve() for folder in folders]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise InputError(f"{folders[i]}: named twice; name each run once")
    return tuple(sorted(map(_read, folders, labels(resolved)), key=lambda run: run.label))


def labels(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of different paths that tell them apart."""
    most = max((len(folder.parts) for folder in folders), default=1)
    for depth in range(1, most + 1):
        ends = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(ends)) == len(ends):
            return ends
    return [str(folder) for folder in folders]


def _read(folder: Path, label: str) -> Run:
    metrics, manifest = read_json(folder / "metrics.json"), read_json(folder / "manifest.json")
    config = JsonFile(folder / "config.toml", read_toml(folder / "config.toml"))
    columns = objective_names(metrics)
    evaluations = config.count("search", "evaluations")
    series, layers = read_series(folder, label, metrics, manifest, columns, evaluations)
    return Run(
        label=label,
        title=f"{manifest.text('model')} on {manifest.text('dataset')}",
        evaluator={key: manifest.text(*key.split(".")) for key in EVALUATOR},
        settings=_settings(metrics, manifest, config),
        columns=columns,
        layers=layers,
        reference=np.array([metrics.number("reference_point", column) for column in columns]),
        commit=None if manifest.data.get("git_commit") is None else manifest.text("git_commit"),
        series=series,
    )


def _settings(metrics: JsonFile, manifest: JsonFile, config: JsonFile) -> dict[str, Value]:
    """Return the settings that a fair comparison holds equal, under the names of their files' keys."""
    tiles = config.table("space").get("tiles")
    table = manifest.table("hashes").get("energy_table")
    return {
        "images.search": metrics.count("images", "search"),
        "images.test": metrics.count("images", "test"),
        "energy.level": metrics.text("energy", "level") if "energy" in metrics.data else "multiplier",
        "hashes.energy_table": None if table is None else manifest.text("hashes", "energy_table"),
        "space.tiles": None if tiles is None else config.count("space", "tiles"),
        **{".".join(path): _table(config, *path) for path in _TABLES},
        "search.population": config.table("search").get("population"),
        "versions.dse": manifest.text("versions", "dse"),
    }


def _table(config: JsonFile, *path: str) -> str | None:
    """Return what a table of a configuration sets, as text; None where it sets nothing."""
    found: Any = config.data
    for key in path:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    set_ones = {key: value for key, value in found.items() if value} if isinstance(found, dict) else {}
    return json.dumps(set_ones, sort_keys=True, default=str) if set_ones else None
