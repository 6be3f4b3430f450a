"""The folder of chosen operating points, written whole, read with one-line errors; see `docs/operating_points.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.evaluator import TEST
from dse.exceptions import InputError, one_line
from dse.operating_points._governor import Designs
from dse.report import JsonFile, read_json
from dse.run_folder import write_csv, write_json
from dse.types import Floats
from dse.whole_files import whole_folder

FILES = POINTS, RIGHT, TABLE, EVALUATIONS = "points.json", "right.npz", "points.csv", "evaluations.csv"
FORMAT = "dse operating points 1"
_ROUND_OFF = 1e-6
EXPECTED = "expected"  # beside the parts of the data: the loss on search images that a design's divergence lets expect


@dataclass(frozen=True, eq=False)
class Rated:
    """Designs with all their figures, D of them: what `Designs` takes from a file."""

    names: tuple[str, ...]  # (D,)
    rel_energy: Floats  # (D,)
    loss_pp: Mapping[str, Floats]  # (D,) against the exact network, pp, by the part of the data, and `expected`
    right: NDArray[np.bool_] = field(repr=False)  # (D, T) which test images each classifies right


@dataclass(frozen=True, eq=False)
class StoredPoints:
    """Operating points as they stand in a folder."""

    layers: tuple[str, ...]  # (L,)
    instances: tuple[str, ...]  # names of the circuits, at most n
    assignments: tuple[tuple[str, ...], ...]  # (O, L) names of choices: instances, or variants of them
    points: Rated  # (O,) dear to cheap
    front: Rated  # (F,) designs of the run's fronts, F may be 0
    exact: NDArray[np.bool_] = field(repr=False)  # (T,) which test images the exact network classifies right
    facts: Mapping[str, Any]  # where they come from: run, method, request, hashes
    variants: Mapping[str, str] = field(default_factory=dict)  # choice -> instance, of choices that are not named as it

    def designs(self, rated: Rated) -> Designs:
        """Return points or front as a governor takes them: by their expected losses, which rise from point to point."""
        return Designs(rated.names, rated.rel_energy, rated.loss_pp[EXPECTED], rated.right)

    @property
    def exact_design(self) -> Designs:
        """The exact network as a design."""
        return Designs(("exact",), np.ones(1), np.zeros(1), self.exact[None])


def write_points(stored: StoredPoints, evaluations: Sequence[Sequence[Any]], folder: Path) -> Path:
    """Write operating points into a folder of their own, which is there whole or not at all; replaces what was there.

    Args:
        stored: The points.
        evaluations: A row for each simulated design: relative energy, loss in pp, and the names of its multipliers.
        folder: Where to.

    Raises:
        InputError: It cannot be written.
    """
    points = stored.points
    parts = tuple(points.loss_pp)
    rows = [
        [name, points.rel_energy[o], *(points.loss_pp[part][o] for part in parts), *stored.assignments[o]]
        for o, name in enumerate(points.names)
    ]
    with whole_folder(folder) as new:
        write_json(new / POINTS, _plain(stored))
        np.savez_compressed(new / RIGHT, exact=stored.exact, points=points.right, front=stored.front.right)
        losses = (f"{part}_loss_pp" for part in parts)
        write_csv(new / TABLE, ("point", "rel_energy", *losses, *stored.layers), rows)
        write_csv(new / EVALUATIONS, ("rel_energy", "search_loss_pp", *stored.layers), evaluations)
    return folder.resolve()


def read_points(folder: Path) -> StoredPoints:
    """Read the folder of operating points.

    Raises:
        InputError: One line that names file and key, for a file or key that is missing or not as it should be.
    """
    if not (folder / POINTS).is_file():
        raise InputError(f"{folder / POINTS}: no such file; expected a folder that `dse qos choose` has written")
    file = read_json(folder / POINTS)
    if file.get("format") != FORMAT:
        raise InputError(f"{file.path}: key 'format': expected '{FORMAT}', got {str(file.get('format'))[:60]!r}")
    layers, instances = _texts(file, "layers"), _texts(file, "instances")
    variants = _variants(file)
    right = _right(folder / RIGHT)
    points, front = (_rated(file, key, right[key], right["exact"]) for key in ("points", "front"))
    _require_order(file, points)
    known = ("format", "layers", "instances", "variants", "points", "front")
    return StoredPoints(
        layers=layers,
        instances=instances,
        assignments=_assignments(file, layers, instances, variants),
        points=points,
        front=front,
        exact=right["exact"],
        facts={key: value for key, value in file.data.items() if key not in known},
        variants=variants,
    )


def _plain(stored: StoredPoints) -> dict[str, Any]:
    named = [dict(zip(stored.layers, row, strict=True)) for row in stored.assignments]
    points = [{**design, "assignment": row} for design, row in zip(_listed(stored.points), named, strict=True)]
    return {
        "format": FORMAT,
        **stored.facts,
        "layers": list(stored.layers),
        "instances": list(stored.instances),
        "variants": dict(stored.variants),
        "points": points,
        "front": _listed(stored.front),
    }


def _listed(rated: Rated) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "rel_energy": float(rated.rel_energy[i]),
            "loss_pp": {part: float(losses[i]) for part, losses in rated.loss_pp.items()},
        }
        for i, name in enumerate(rated.names)
    ]


def _texts(file: JsonFile, key: str) -> tuple[str, ...]:
    value = file.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise InputError(f"{file.path}: key '{key}': expected a list of names, got {repr(value)[:60]}")
    _require_distinct(file, key, value)
    return tuple(value)


def _variants(file: JsonFile) -> dict[str, str]:
    """Return which circuit each variant is of. Raises InputError where a name says another one."""
    found = {choice: file.text("variants", choice) for choice in (file.table("variants") if "variants" in file.data else ())}
    for choice, circuit in found.items():
        if not choice.startswith(f"{circuit}."):
            raise InputError(f"{file.path}: key 'variants.{choice}': expected its circuit, got '{circuit}'")
    return found


def _rows(file: JsonFile, key: str) -> list[JsonFile]:
    """Return a list of objects, each with a place in its errors."""
    value = file.get(key)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value) or (key == "points" and not value):
        raise InputError(f"{file.path}: key '{key}': expected a list of objects, got {repr(value)[:60]}")
    return [JsonFile(Path(f"{file.path}: {key} {i}"), row) for i, row in enumerate(value)]


def _require_distinct(file: JsonFile, key: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i] or not name.strip() or not name.isprintable():
            raise InputError(f"{file.path}: key '{key}': expected printable names, each once, got {name!r}")


def _rated(file: JsonFile, key: str, right: NDArray[np.bool_], exact: NDArray[np.bool_]) -> Rated:
    """Return designs with their answers. Raises InputError where these do not make the loss that stands beside them."""
    rows = _rows(file, key)
    if len(rows) != len(right):
        raise InputError(f"{file.path}: key '{key}': has {len(rows)} designs, {RIGHT} beside it {len(right)}")
    names = tuple(row.text("name") for row in rows)
    _require_distinct(file, key, names)
    parts = tuple(dict.fromkeys((EXPECTED, *(rows[0].table("loss_pp") if rows else ()), TEST)))
    rated = Rated(
        names=names,
        rel_energy=np.array([row.number("rel_energy") for row in rows], dtype=np.float64),
        loss_pp={part: np.array([row.number("loss_pp", part) for row in rows]) for part in parts},
        right=right,
    )
    for part, losses in rated.loss_pp.items():
        for row, loss in zip(rows, losses.tolist(), strict=True):
            if abs(loss) > 100:
                raise InputError(f"{row.path}: key 'loss_pp.{part}': expected pp of an accuracy, got {loss:g}")
    counted = 100 * (exact.mean() - right.mean(axis=1))
    for i, (said, found) in enumerate(zip(rated.loss_pp[TEST], counted, strict=True)):
        if abs(said - found) > _ROUND_OFF:
            raise InputError(
                f"{rows[i].path}: key 'loss_pp.{TEST}': has {said:g} pp, {RIGHT} beside it makes {found:g} pp; "
                "choose the points again"
            )
        if rated.rel_energy[i] < 0:
            raise InputError(f"{rows[i].path}: key 'rel_energy': expected 0 or more, got {rated.rel_energy[i]:g}")
    return rated


def _require_order(file: JsonFile, points: Rated) -> None:
    if (np.diff(points.rel_energy) > _ROUND_OFF).any() or (np.diff(points.loss_pp[EXPECTED]) < -_ROUND_OFF).any():
        raise InputError(f"{file.path}: key 'points': expected falling energies and rising expected losses")


def _assignments(
    file: JsonFile, layers: tuple[str, ...], instances: tuple[str, ...], variants: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    """Return the choices `(O, L)`. Raises InputError where they are of other circuits than the instances."""
    found = []
    for row in _rows(file, "points"):
        if row.table("assignment").keys() - set(layers):
            raise InputError(f"{row.path}: key 'assignment': expected the layers {', '.join(layers)[:60]}, got others")
        found.append(tuple(row.text("assignment", layer) for layer in layers))
        for layer, choice in zip(layers, found[-1], strict=True):
            if variants.get(choice, choice) not in instances:
                raise InputError(
                    f"{row.path}: key 'assignment.{layer}': '{choice}' is none of the instances ({', '.join(instances)})"
                )
    return tuple(found)


def _right(path: Path) -> dict[str, NDArray[np.bool_]]:
    """Return which test images exact network, points and front classify right."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {name: file[name] for name in ("exact", "points", "front")}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; choose the operating points again") from None
    except Exception as error:  # there is no end of what damaged bytes make of zip files and headers
        raise InputError(f"{path}: cannot be read: {one_line(error)[:80]}; choose the points again") from None
    images = len(found["exact"]) if found["exact"].ndim == 1 else 0
    for name, dims in (("exact", 1), ("points", 2), ("front", 2)):
        array = found[name]
        if array.dtype != bool or array.ndim != dims or array.shape[-1] != images or images == 0:
            raise InputError(
                f"{path}: '{name}': expected bool with {images or 'some'} images, got {array.dtype} {array.shape}"
            )
    return found
