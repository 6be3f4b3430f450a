"""Operating points in a file: safetensors, whose header says of which network, points and tables it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dse.exceptions import InputError, one_line, under
from dse.nn.models import storable
from dse.operating_points._model import OperatingPointModel
from dse.whole_files import writable_folder, write_whole

_SUFFIX, _KEY = ".safetensors", "operating_points"


def save_operating_points(model: OperatingPointModel, path: str | Path) -> Path:
    """Write the state of all points as safetensors: the file is there whole, or not at all.

    The header's `operating_points` is JSON: `points` with name, relative energy and assignment, and `tables` with the
    SHA-256 of what each multiplier computes in each layer.

    Args:
        model: From whatever device.
        path: Ends in `.safetensors`; missing folders are made.

    Raises:
        InputError: Another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != _SUFFIX:
        raise InputError(f"{path}: operating points are written as {_SUFFIX}, got '{path.suffix}'; change the suffix")
    writable_folder(path.parent)
    header = {_KEY: json.dumps(_described(model))}
    return write_whole(path, safetensors.torch.save(storable(model.state_dict()), metadata=header))


def load_operating_points(model: OperatingPointModel, path: str | Path) -> None:
    """Fill a model of the same network and points from a file; nothing is changed when the file is refused.

    Raises:
        InputError: There is no such file, it is not readable, of another network, other points or other tables, or holds NaN
            or infinity; names the file and what differs.
    """
    path = Path(path)
    tensors, described = _read(path)
    with under(f"{path}: "):
        _require_same(described, _described(model))
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise InputError(f"'{name}' holds NaN or infinity; use another file")
        model.load_state_dict(tensors)


def _described(model: OperatingPointModel) -> dict[str, Any]:
    points = [{"name": p.name, "rel_energy": p.rel_energy, "assignment": dict(p.assignment)} for p in model.points]
    return {"points": points, "tables": model.tables.hashes()}


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and header."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            described = dict(json.loads((file.metadata() or {})[_KEY]))
            return {name: file.get_tensor(name) for name in file.keys()}, described
    except KeyError:
        raise InputError(f"{path}: no '{_KEY}' in its header; expected a file of save_operating_points") from None
    except (OSError, safetensors.SafetensorError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: not a readable file of operating points ({one_line(error)}); write it anew"
        ) from None


def _require_same(found: dict[str, Any], own: dict[str, Any]) -> None:
    """Raise InputError unless a file's points and tables are the model's."""
    try:
        theirs, tables = found["points"], found["tables"]
        names = [point["name"] for point in theirs]
        assignments = [point["assignment"] for point in theirs]
    except (KeyError, TypeError):
        raise InputError(f"'{_KEY}' in its header is damaged; write the file anew") from None
    ours = own["points"]
    if len(theirs) != len(ours):
        raise InputError(
            f"has {len(theirs)} operating points, the model {len(ours)}; make the model with those of the file"
        )
    for name, assignment, point in zip(names, assignments, ours, strict=True):
        if name != point["name"] or set(assignment) != set(point["assignment"]):
            raise InputError(f"operating point '{name}' is not the model's '{point['name']}' or of another network")
        for layer, choice in point["assignment"].items():
            if assignment[layer] != choice:
                raise InputError(
                    f"operating point '{name}' has '{assignment[layer]}' in layer '{layer}', the model '{choice}'; "
                    "make the model with the points of the file"
                )
    for layer, by_choice in own["tables"].items():
        for choice, digest in by_choice.items():
            if tables.get(layer, {}).get(choice) != digest:
                raise InputError(
                    f"made with another table of '{choice}' in layer '{layer}' (other SHA-256); use that library"
                )
