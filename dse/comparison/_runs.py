"""A finished run as a comparison sees it: its series, what it searched, and what it was set to."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.comparison._series import Series, read_series
from dse.exceptions import InputError
from dse.report import JsonFile, objective_names, read_json
from dse.types import Floats

EVALUATOR = ("hashes.model", "hashes.data", "hashes.library", "format")  # what decides a design's figures
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
    config = _read_toml(folder / "config.toml")
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
        "space.constraints": _constraints(config),
        "versions.dse": manifest.text("versions", "dse"),
    }


def _constraints(config: JsonFile) -> str | None:
    """Return the constraints that a configuration sets, as text; None without any."""
    known = config.table("space", "constraints") if "constraints" in config.table("space") else {}
    set_ones = {key: value for key, value in known.items() if value}
    return json.dumps(set_ones, sort_keys=True, default=str) if set_ones else None


def _read_toml(path: Path) -> JsonFile:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the folder of a finished run") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no TOML: {' '.join(str(error).split())[:80]}; repeat the run that wrote it") from None
    return JsonFile(path, data)
