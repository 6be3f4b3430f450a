"""What a configuration can name: models, data sets, multipliers, methods, spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dse.config import read_toml, space_folders
from dse.exceptions import InputError
from dse.multipliers import Multiplier, builtin, load_library
from dse.nn.datasets import DATASETS
from dse.nn.models import MODELS
from dse.search import METHODS

Listing = Iterator[tuple[str, str]]  # name, one line about it


def _models() -> Listing:
    yield from ((name, info.text) for name, info in MODELS.items())


def _datasets() -> Listing:
    yield from ((name, info.text) for name, info in DATASETS.items())


def _methods() -> Listing:
    yield from ((name, method.text) for name, method in METHODS.items())


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


LISTS: dict[str, Callable[[], Listing]] = {
    "models": _models,
    "datasets": _datasets,
    "multipliers": _multipliers,
    "methods": _methods,
    "spaces": _spaces,
}


def library_table(name: str, *, signed: bool | None = None) -> Iterator[str]:
    """Yield the lines of a table of a library's multipliers, checked as they are read.

    Args:
        name: `builtin`, a folder, or an .npz file.
        signed: Which circuits of a library that holds both.

    Raises:
        InputError: If a file or a table is not as it should be.
    """
    library = builtin(signed=bool(signed)) if name == "builtin" else load_library(name, signed=signed)
    figures = f"{'power mW':>9} {'rel':>6} {'MAE':>9} {'WCE':>7} {'mean':>10} {'std':>10}"
    yield f"{'name':<16} {'bits':>5} {'sign':>4} {figures}  origin"
    for multiplier, rel in zip(library, library.rel_energy, strict=True):
        yield _library_row(multiplier, float(rel))


def _library_row(m: Multiplier, rel: float) -> str:
    bits, sign = f"{m.x_bits}x{m.w_bits}", "us"[m.x_signed] + "us"[m.w_signed]
    e = m.errors
    return (
        f"{m.name:<16} {bits:>5} {sign:>4} {m.power_mw:>9.4f} {rel:>6.3f} {e.mae:>9.2f} {e.wce:>7d} "
        f"{e.mean_error:>10.2f} {e.std_error:>10.2f}  {m.origin}"
    )
