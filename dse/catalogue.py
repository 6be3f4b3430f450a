"""What a configuration can name: models, data sets, multipliers, methods, spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dse.config import space_folders
from dse.exceptions import InputError
from dse.multipliers import builtin
from dse.nn.datasets import DATASETS
from dse.nn.models import MODELS
from dse.objectives import OBJECTIVES
from dse.search import method_texts
from dse.toml_files import read_toml

Listing = Iterator[tuple[str, str]]  # name, one line about it


def _models() -> Listing:
    yield from ((name, info.text) for name, info in MODELS.items())


def _datasets() -> Listing:
    yield from ((name, info.text) for name, info in DATASETS.items())


def _methods() -> Listing:
    yield from method_texts()


def _multipliers() -> Listing:
    for library in (builtin(signed=False), builtin(signed=True)):
        yield from ((m.name, f"{m.power_mw:.4f} mW, mean error {m.errors.mae:.2f}; {m.origin}") for m in library)


def _spaces() -> Listing:
    for folder in space_folders():
        for file in sorted(folder.glob("*.toml")):
            yield file.stem, f"{_space_text(file)} ({file})"


def _space_text(file: Path) -> str:
    try:
        space = read_toml(file)
    except InputError:
        return "cannot be read as TOML"
    tables = [space.get(key) for key in ("model", "dataset")]
    return " on ".join(str(table.get("name", "own")) if isinstance(table, dict) else "own" for table in tables)


def _objectives() -> Listing:
    yield from ((name, f"{info.text} [{info.unit}]") for name, info in OBJECTIVES.items())


LISTS: dict[str, Callable[[], Listing]] = {
    "models": _models,
    "datasets": _datasets,
    "multipliers": _multipliers,
    "methods": _methods,
    "objectives": _objectives,
    "spaces": _spaces,
}
