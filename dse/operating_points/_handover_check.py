"""Replay a hand-over bundle: plain numpy, from codes and tables to accumulators, compared exactly.

This module needs numpy and nothing else that computes. The format is in docs/handover.md. All integers are formed here as
hardware forms them: one table entry for each product, summed, with the zero points taken out.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, under

FORMAT, VERSION = "dse-handover", 1
DESCRIPTION, ARRAYS = "handover.json", "handover.npz"

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Operands:
    """What codes stand for."""

    x_values: Ints  # (256,) value of each activation code
    w_values: Ints  # (2^Bw,) value of each weight code

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Return the operands that a bundle describes by width and sign."""
        return cls(_values(8, described["x_signed"]), _values(described["w_bits"], described["w_signed"]))


@dataclass(frozen=True)
class HandoverCheck:
    """What a bundle holds and has been found right."""

    points: tuple[str, ...]  # names of the operating points
    instances: tuple[str, ...]  # names of the multiplier circuits
    layers: int
    images: int
    accumulators: int  # compared; what points share is compared once


def check_handover(path: str | Path) -> HandoverCheck:
    """Check a bundle: every array against its SHA-256, every accumulator of every layer and point against codes and tables.

    Args:
        path: Folder of the bundle.

    Returns:
        What has been checked.

    Raises:
        InputError: The bundle cannot be read, is damaged, or an accumulator differs; names the first difference.
    """
    path = Path(path)
    with under(f"{path}: "):
        try:
            bundle = _description(path / DESCRIPTION)
            arrays = _arrays(path / ARRAYS, bundle["arrays"])
            _check_choices(bundle)
            compared = _check_layers(bundle, arrays)
            return HandoverCheck(
                points=tuple(point["name"] for point in bundle["points"]),
                instances=tuple(instance["name"] for instance in bundle["instances"]),
                layers=len(bundle["layers"]),
                images=len(arrays[bundle["images"]]),
                accumulators=compared,
            )
        except InputError:
            raise
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            reason = " ".join(f"{type(error).__name__} {error}".split())
            raise InputError(f"{DESCRIPTION}: not of the documented form ({reason}); write the bundle anew") from None


def accumulators(
    x_codes: Array, w_codes: Array, table: Array, stored: Array | None, layer: Mapping[str, Any], operands: Operands
) -> Ints:
    """Return a layer's accumulators, zero points taken out: the sum over the fan-in of `T[x, s(w)] - zw x - zx w + zx zw`.

    `x` and `w` are codes in `T[x, s(w)]` and their values elsewhere; `s(w)` is the code that is stored for `w`.

    Args:
        x_codes: Input codes, `(B, C, H, W)` of a convolution, `(..., F)` of a linear layer, uint8.
        w_codes: Weight codes, `(C', C / groups, kh, kw)` or `(C', F)`.
        table: `T`, the products of every activation code and stored weight code `(256, 2^Bw)`.
        stored: `s`, the code stored for each weight code `(2^Bw,)`; None: itself.
        layer: Geometry and `x_zero_point` as in the bundle, `w_zero_point` as an array `(C',)`.
        operands: What codes stand for.

    Returns:
        `(B, C', H', W')` or `(..., C')`.
    """
    if layer["kind"] == "linear":
        return _sums(x_codes, w_codes, layer["w_zero_point"], table, stored, layer["x_zero_point"], operands)
    windows, groups = _windows(x_codes, layer), layer["groups"]
    by_group = [
        _sums(
            part.reshape(*part.shape[:3], -1),
            w.reshape(len(w), -1),
            zero,
            table,
            stored,
            layer["x_zero_point"],
            operands,
        )
        for part, w, zero in zip(
            np.split(windows, groups, axis=3),
            np.split(w_codes, groups),
            np.split(layer["w_zero_point"], groups),
            strict=True,
        )
    ]
    return np.moveaxis(np.concatenate(by_group, axis=-1), -1, 1)


def _windows(x_codes: Array, layer: Mapping[str, Any]) -> Array:
    """Return what the kernel covers at each output position: `(B, C, H, W)` -> `(B, H', W', C, kh, kw)` uint8."""
    fill = layer["x_zero_point"] % 256  # the code that stands for 0; padding goes through the multiplier as any operand
    x_codes = np.pad(x_codes, ((0, 0), (0, 0), *map(tuple, layer["padding"])), constant_values=fill)
    (kh, kw), (sh, sw), (dh, dw) = layer["kernel"], layer["stride"], layer["dilation"]
    batch, channels, height, width = x_codes.shape
    rows, columns = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    windows = np.empty((batch, rows, columns, channels, kh, kw), dtype=np.uint8)
    for i in range(kh):
        for j in range(kw):
            down = slice(i * dh, i * dh + (rows - 1) * sh + 1, sh)
            across = slice(j * dw, j * dw + (columns - 1) * sw + 1, sw)
            windows[..., i, j] = np.moveaxis(x_codes[:, :, down, across], 1, -1)
    return windows


def _sums(
    x: Array, w: Array, w_zero: Array, table: Array, stored: Array | None, x_zero: int, operands: Operands
) -> Ints:
    """Return the sums of products of codes x (..., K) and w (N, K), zero points taken out: `(..., N)`."""
    total = np.zeros((*x.shape[:-1], len(w)), dtype=np.int64)
    table, w_zero = table.astype(np.int64), w_zero.astype(np.int64)
    for k in range(x.shape[-1]):
        x_code, w_code = x[..., k, None], w[:, k]
        total += table[x_code, w_code if stored is None else stored[w_code]]
        total -= w_zero * operands.x_values[x_code] + x_zero * operands.w_values[w_code] - x_zero * w_zero
    return total


def sha256(array: Array) -> str:
    """Return the SHA-256 (hex) of an array's entries in C order, little endian."""
    return hashlib.sha256(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def seal(bundle: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a description without its `sha256`: as JSON with sorted keys and no spaces."""
    rest = {key: value for key, value in bundle.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _values(bits: int, signed: bool) -> Ints:
    """Return the value of every code of so many bits, two's complement where signed."""
    codes = np.arange(2**bits, dtype=np.int64)
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes) if signed else codes


def _description(path: Path) -> dict[str, Any]:
    """Return the description as it was written."""
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name}: cannot be read ({reason}); expected a folder of write_handover") from None
    if not isinstance(bundle, dict) or bundle.get("format") != FORMAT:
        raise InputError(f"{path.name}: no description of a hand-over bundle")
    if bundle.get("version") != VERSION:
        raise InputError(
            f"{path.name}: expected version {VERSION}, got {bundle.get('version')}; use the dse that wrote it"
        )
    if bundle.get("sha256") != seal(bundle):
        raise InputError(f"{path.name}: changed since it was written (other SHA-256); write the bundle anew")
    return bundle


def _arrays(path: Path, described: Mapping[str, Mapping[str, Any]]) -> dict[str, Array]:
    """Return the arrays as they were written."""
    names = set(described)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            stray = sorted(names ^ set(archive.files))
            arrays: dict[str, Array] = {name: archive[name] for name in described if name not in stray}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name}: cannot be read ({reason}); write the bundle anew") from None
    if stray:
        raise InputError(f"{path.name}: '{stray[0]}' is missing here or in {DESCRIPTION}; write the bundle anew")
    for name, array in arrays.items():
        known = described[name]
        if (array.dtype.name, list(array.shape), sha256(array)) != (known["dtype"], known["shape"], known["sha256"]):
            raise InputError(f"{path.name}: '{name}' is not what was written (other SHA-256); write the bundle anew")
    return arrays


def _check_choices(bundle: Mapping[str, Any]) -> None:
    """Raise InputError unless tables are those of the choices, and points and layers say the same of what is where."""
    for choice in bundle["choices"]:
        if bundle["arrays"][choice["table"]]["sha256"] != choice["table_sha256"]:
            raise InputError(f"{DESCRIPTION}: choice '{choice['name']}' has another table than its table_sha256 says")
    for position, point in enumerate(bundle["points"]):
        layers = [layer for layer in bundle["layers"] if layer["approximable"]]
        if (found := {layer["name"]: layer["points"][position]["choice"] for layer in layers}) != point["assignment"]:
            (name, *_) = (
                name for name in {**found, **point["assignment"]} if found.get(name) != point["assignment"].get(name)
            )
            both = f"'{point['assignment'].get(name)}' in 'points' and '{found.get(name)}' in 'layers'"
            raise InputError(f"{DESCRIPTION}: operating point '{point['name']}', layer '{name}': {both}")


def _check_layers(bundle: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
    """Compare the accumulators of every layer and point, and return how many."""
    operands = Operands.of(bundle["operands"])
    tables = {choice["name"]: arrays[choice["table"]] for choice in bundle["choices"]}
    compared = 0
    for described in bundle["layers"]:
        layer = {**described, "w_zero_point": arrays[described["w_zero_point"]]}
        seen = set()
        for point, at in zip(bundle["points"], described["points"], strict=True):
            key = at["choice"], at["stored"], at["x_codes"], at["sums"]
            if key in seen:  # another point computes the same
                continue
            seen.add(key)
            stored = None if at["stored"] is None else arrays[at["stored"]]
            x_codes, w_codes, expected = (arrays[name] for name in (at["x_codes"], described["w_codes"], at["sums"]))
            found = accumulators(x_codes, w_codes, tables[at["choice"]], stored, layer, operands)
            _compare(found, expected, f"layer '{described['name']}', operating point '{point['name']}'")
            compared += found.size
    return compared


def _compare(found: Ints, expected: Array, where: str) -> None:
    if found.shape != expected.shape:
        raise InputError(f"{where}: expected accumulators {expected.shape}, the layer has {found.shape}")
    differing = np.argwhere(found != expected)
    if len(differing):
        first = tuple(differing[0].tolist())
        raise InputError(
            f"{where}: {len(differing)} of {found.size} accumulators differ, the first at {first}: "
            f"expected {expected[first]}, codes and table give {found[first]}"
        )
