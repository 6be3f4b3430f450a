"""Operating points in a file: safetensors, whose header says of which network, points and tables it is."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from dse.exceptions import InputError, one_line, under
from dse.nn.models import storable
from dse.operating_points._model import OperatingPointModel
from dse.whole_files import writable_folder, write_whole

_SUFFIX, _KEY = ".safetensors", "operating_points"


class _Point(BaseModel):
    name: str
    rel_energy: float
    assignment: dict[str, str]


class _Header(BaseModel):
    points: list[_Point]
    tables: dict[str, dict[str, str]]  # layer -> choice -> SHA-256 of what it computes there


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
    header = {_KEY: json.dumps(_described(model).model_dump())}
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
                raise InputError(f"{name!r} holds NaN or infinity; use another file")
        model.load_state_dict(tensors)


def _described(model: OperatingPointModel) -> _Header:
    points = [_Point(name=p.name, rel_energy=p.rel_energy, assignment=dict(p.assignment)) for p in model.points]
    return _Header(points=points, tables=model.tables.hashes())


def _read(path: Path) -> tuple[dict[str, Tensor], _Header]:
    """Return tensors and header."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, _Header.model_validate(header, strict=True)
    except KeyError:
        raise InputError(f"{path}: no '{_KEY}' in its header; expected a file of save_operating_points") from None
    except ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(map(str, (_KEY, *first["loc"])))
        raise InputError(f"{path}: {place!r} in its header is damaged ({first['msg']}); write the file anew") from None
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a readable file of operating points ({one_line(error)}); write it anew"
        ) from None


def _require_same(found: _Header, own: _Header) -> None:
    """Raise InputError unless a file's points and tables are the model's."""
    if len(found.points) != len(own.points):
        raise InputError(
            f"has {len(found.points)} operating points, the model {len(own.points)}; make the model with those of the file"
        )
    for theirs, point in zip(found.points, own.points, strict=True):
        if theirs.name != point.name or theirs.assignment.keys() != point.assignment.keys():
            raise InputError(f"operating point {theirs.name!r} is not the model's '{point.name}' or of another network")
        for layer, choice in point.assignment.items():
            if theirs.assignment[layer] != choice:
                raise InputError(
                    f"operating point '{point.name}' has {theirs.assignment[layer]!r} in layer '{layer}', the model "
                    f"'{choice}'; make the model with the points of the file"
                )
    for layer, by_choice in own.tables.items():
        for choice, digest in by_choice.items():
            if found.tables.get(layer, {}).get(choice) != digest:
                raise InputError(
                    f"made with another table of '{choice}' in layer '{layer}' (other SHA-256); use that library"
                )
