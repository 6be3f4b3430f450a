"""What compensates the designs of a run's fronts: one file of factors, in the form that hardware takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dse.exceptions import InputError, one_line
from dse.types import Assignment, Population
from dse.whole_files import write_whole

# module -> {"scale", "offset"} of a layer, or {"mean", "variance"} of a BatchNorm, each `(C,)` float32
Factors: TypeAlias = Mapping[str, Mapping[str, NDArray[np.float32]]]

_DESIGNS = "designs"
_NEUTRAL = {"scale": 1.0, "offset": 0.0}  # a layer that is not corrected


@dataclass(frozen=True, eq=False)
class DesignFactors:
    """Factors of several designs."""

    designs: Population  # (D, L), each once
    factors: tuple[Factors, ...]  # of each


def write_factors(path: Path, found: DesignFactors) -> None:
    """Write factors as safetensors: `designs` (D, L) int64, and `MODULE/scale` and so on, (D, C) float32 each.

    Raises:
        InputError: The file cannot be written.
    """
    shapes = {(m, what): a.shape for of in found.factors for m, arrays in of.items() for what, a in arrays.items()}
    stacked = {f"{module}/{what}": _stack(found, module, what, shape) for (module, what), shape in shapes.items()}
    write_whole(path, save({_DESIGNS: np.ascontiguousarray(found.designs, dtype=np.int64), **stacked}))


def read_factors(path: Path, design: Assignment) -> Factors:
    """Return the factors of one design `(L,)`: of its layers those that are corrected, and of all BatchNorms that are there.

    Raises:
        InputError: There is no such file, it is damaged, or has no such design.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `dse resume {path.parent}` writes the factors of a compensated run")
    try:
        stored = load_file(path)
        designs = stored.pop(_DESIGNS)
        if designs.shape[1:] != design.shape:
            raise ValueError(f"'{_DESIGNS}' has shape {designs.shape}, expected (D, {len(design)})")
        places = np.flatnonzero((designs == design).all(axis=1))
        found = _of(stored, int(places[0])) if len(places) else {}
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not readable as factors ({one_line(error)}); `dse resume` writes it anew") from error
    if not len(places):
        raise InputError(f"{path}: has no factors of this design; `dse resume {path.parent}` writes it anew")
    return dict(sorted(_effective(found).items()))


def distance(first: Factors, second: Factors) -> float:
    """Return the largest difference of factors, relative to the largest value of its array; inf where one side has none."""
    first, second = _effective(first), _effective(second)
    if {m: set(arrays) for m, arrays in first.items()} != {m: set(arrays) for m, arrays in second.items()}:
        return float("inf")
    pairs = [(a, second[module][what]) for module, arrays in first.items() for what, a in arrays.items()]
    if any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    return max((float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in pairs), default=0.0)


def _of(stored: Mapping[str, NDArray[np.float32]], place: int) -> dict[str, dict[str, NDArray[np.float32]]]:
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for key, values in stored.items():
        module, _, what = key.rpartition("/")
        if values.dtype != np.float32 or not np.isfinite(values[place]).all():
            raise ValueError(f"'{key}' holds {values.dtype}, expected finite float32")
        found.setdefault(module, {})[what] = values[place]
    return found


def _stack(found: DesignFactors, module: str, what: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    rows = [of[module][what] if module in of else np.full(shape, _NEUTRAL[what], np.float32) for of in found.factors]
    return np.stack(rows)


def _effective(factors: Factors) -> Factors:
    """Return factors without those of layers that they leave as they are."""
    return {module: arrays for module, arrays in factors.items() if not _neutral(arrays)}


def _neutral(arrays: Mapping[str, NDArray[np.float32]]) -> bool:
    return set(arrays) == set(_NEUTRAL) and all((arrays[what] == value).all() for what, value in _NEUTRAL.items())
