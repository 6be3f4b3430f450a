"""Replay a hand-over bundle: plain numpy, from circuits to tables, from codes and tables to accumulators, compared exactly.

This module, `_handover_form` (what a description must hold), `_handover_circuits` (what circuits compute for layers) and
`_handover_replay` (what layers compute) need numpy and nothing else that computes. The format is in docs/handover.md.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.exceptions import InputError, under
from dse.operating_points._handover_circuits import is_clipped, products, raw_products
from dse.operating_points._handover_form import ARRAYS_FORM, OPERANDS_FORM, Form
from dse.operating_points._handover_replay import Array, Ints, Operands, accumulators, circuit_sums, require_shapes

FORMAT, VERSION = "dse-handover", 4
DESCRIPTION, ARRAYS, VERILOG = "handover.json", "handover.npz", "verilog"
EXACT = "exact"  # what layers that are not approximable multiply with


@dataclass(frozen=True)
class HandoverCheck:
    """What a bundle holds and has been found right."""

    points: tuple[str, ...]  # names of the operating points
    instances: tuple[str, ...]  # names of the multiplier circuits
    layers: int
    images: int
    accumulators: int  # compared; what points share is compared once


def check_handover(path: str | Path) -> HandoverCheck:
    """Check a bundle: form, files and arrays against their SHA-256, tables against circuits, accumulators against both.

    Args:
        path: Folder of the bundle.

    Returns:
        What has been checked.

    Raises:
        InputError: The bundle cannot be read, is damaged, or a table or an accumulator differs; names the first difference.
    """
    path = Path(path)
    with under(f"{path}: "):
        try:
            return _checked(path)
        except (MemoryError, RecursionError) as error:
            raise InputError(f"{DESCRIPTION}: asks for too much ({type(error).__name__}); write the bundle anew") from None


def _checked(path: Path) -> HandoverCheck:
    bundle = _description(path / DESCRIPTION)
    with under(f"{DESCRIPTION}: "):
        ARRAYS_FORM(bundle.get("arrays"), "arrays")
        OPERANDS_FORM(bundle.get("operands"), "operands")
    arrays = _arrays(path / ARRAYS, bundle["arrays"])
    with under(f"{DESCRIPTION}: "):
        form = Form(arrays)
        form.description(bundle["operands"])(bundle, "")
        _check_names(bundle)
        _check_pairs(bundle)
        _check_choices(bundle, arrays)
        _check_circuits(bundle, arrays)
        if unused := sorted(arrays.keys() - form.used):
            raise InputError(f"array '{unused[0]}' is referred to by nothing, something is missing; write the bundle anew")
    _check_verilog(path / VERILOG, bundle["instances"])
    return HandoverCheck(
        points=tuple(point["name"] for point in bundle["points"]),
        instances=tuple(instance["name"] for instance in bundle["instances"]),
        layers=len(bundle["layers"]),
        images=len(arrays[bundle["images"]]),
        accumulators=_check_layers(bundle, arrays),
    )


def sha256(array: Array) -> str:
    """Return the SHA-256 (hex) of an array's entries in C order, little endian."""
    return hashlib.sha256(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def seal(bundle: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a description without its `sha256`: as JSON with sorted keys and no spaces."""
    rest = {key: value for key, value in bundle.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _description(path: Path) -> dict[str, Any]:
    """Return the description as it was written."""
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name}: cannot be read ({reason}); expected a folder of `dse qos bundle`") from None
    if not isinstance(bundle, dict) or bundle.get("format") != FORMAT:
        raise InputError(f"{path.name}: no description of a hand-over bundle")
    if bundle.get("version") != VERSION:
        raise InputError(
            f"{path.name}: expected version {VERSION}, got {bundle.get('version')!r}; use the dse that wrote it"
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
        raise InputError(f"{path.name}: {stray[0]!r} is missing here or in {DESCRIPTION}; write the bundle anew")
    for name, array in arrays.items():
        known = described[name]
        if (array.dtype.name, list(array.shape), sha256(array)) != (known["dtype"], known["shape"], known["sha256"]):
            raise InputError(f"{path.name}: '{name}' is not what was written (other SHA-256); write the bundle anew")
    return arrays


def _check_names(bundle: Mapping[str, Any]) -> None:
    """Raise InputError unless names are given once, and what is referred to by name is there."""
    for entry in ("instances", "choices", "points", "layers", "norms"):
        names = [item["name"] for item in bundle[entry]]
        if len(set(names)) < len(names):
            raise InputError(f"{entry}: expected each name once, got {', '.join(names)}")
    points, choices = len(bundle["points"]), [choice["name"] for choice in bundle["choices"]]
    for item in (*bundle["layers"], *bundle["norms"]):
        if len(item["points"]) != points:
            raise InputError(f"'{item['name']}' has {len(item['points'])} points; expected the {points} of 'points'")
    for layer in bundle["layers"]:
        for at in layer["points"]:
            if at["choice"] not in choices or (at["choice"] != EXACT and not layer["approximable"]):
                raise InputError(f"layer '{layer['name']}' has the choice '{at['choice']}', which it cannot have")
    instances, used = ({i["name"] for i in bundle["instances"]}, {c["instance"] for c in bundle["choices"]})
    if instances != used:
        raise InputError(f"instances: '{min(instances ^ used)}' is missing here or in 'choices'")


def _check_pairs(bundle: Mapping[str, Any]) -> None:
    """Raise InputError unless what belongs together is there, or null, together."""
    holders = [(instance["name"], instance) for instance in bundle["instances"]]
    holders += [(item["name"], at) for item in (*bundle["layers"], *bundle["norms"]) for at in item["points"]]
    circuit = (("verilog", "verilog_sha256"), ("table", "table_sha256"), ("signed", "table"))
    for pair in (*circuit, ("scale", "offset"), ("gamma", "beta"), ("mean", "variance")):
        for name, holder in holders:
            if pair[0] in holder and (holder[pair[0]] is None) != (holder[pair[1]] is None):
                raise InputError(f"'{name}': expected {pair[0]} and {pair[1]}, or null for both")


def _check_choices(bundle: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Raise InputError unless tables are those of the choices, and points and layers say the same of what is where."""
    levels, columns = 2 ** bundle["operands"]["w_bits"], {}
    for choice in bundle["choices"]:
        if bundle["arrays"][choice["table"]]["sha256"] != choice["table_sha256"]:
            raise InputError(f"choice '{choice['name']}' has another table than its table_sha256 says")
        columns[choice["name"]] = arrays[choice["table"]].shape[1]
        words = 0 if choice["words"] is None else len(arrays[choice["words"]])
        if columns[choice["name"]] != levels + words:
            raise InputError(f"choice '{choice['name']}': expected {levels + words} columns of its table")
    for layer in bundle["layers"]:
        for at in layer["points"]:
            codes = () if at["stored"] is None else arrays[at["stored"]]
            if any(not 0 <= code < columns[at["choice"]] for code in codes):
                raise InputError(f"layer '{layer['name']}' stores a code that '{at['choice']}' does not have")
    for position, point in enumerate(bundle["points"]):
        layers = [layer for layer in bundle["layers"] if layer["approximable"]]
        if (found := {layer["name"]: layer["points"][position]["choice"] for layer in layers}) != point["assignment"]:
            (name, *_) = (
                name for name in {**found, **point["assignment"]} if found.get(name) != point["assignment"].get(name)
            )
            both = f"'{point['assignment'].get(name)}' in 'points' and '{found.get(name)}' in 'layers'"
            raise InputError(f"operating point '{point['name']}', layer '{name}': {both}")


def _check_circuits(bundle: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Raise InputError unless circuits compute the tables of the choices, and modules have a circuit each."""
    operands, instances = Operands.of(bundle["operands"]), {i["name"]: i for i in bundle["instances"]}
    for name, instance in instances.items():
        if instance["table"] is not None and bundle["arrays"][instance["table"]]["sha256"] != instance["table_sha256"]:
            raise InputError(f"circuit '{name}' has another table than its table_sha256 says")
    for choice in bundle["choices"]:
        instance = instances[choice["instance"]]
        if instance["table"] is None:
            if is_clipped(choice):
                raise InputError(f"choice '{choice['name']}' clips operands of '{choice['instance']}', which has no table")
            continue
        words = None if choice["words"] is None else arrays[choice["words"]]
        if words is not None and not ((words[:, 1] >= 0) & (words[:, 1] <= 255)).all():
            raise InputError(f"choice '{choice['name']}': expected operands 0..255 in its words")
        made = products(arrays[instance["table"]], instance["signed"], choice, operands, words)
        if not np.array_equal(operands.occurring(made), operands.occurring(arrays[choice["table"]])):
            raise InputError(f"choice '{choice['name']}' has a table that the circuit '{choice['instance']}' does not give")
    modules = [str(i["verilog"]).casefold() for i in bundle["instances"] if i["verilog"] is not None]
    if len(set(modules)) < len(modules):
        raise InputError(f"instances: expected Verilog modules that differ by more than case, got {', '.join(modules)}")


def _check_verilog(folder: Path, instances: Collection[Mapping[str, Any]]) -> None:
    """Raise InputError unless the Verilog of all circuits is there as it was written, and nothing else."""
    wanted = {f"{instance['verilog']}.v" for instance in instances if instance["verilog"] is not None}
    for stray in sorted({path.name for path in folder.glob("*")} - wanted):
        raise InputError(f"{VERILOG}/{stray!r} is of no circuit of {DESCRIPTION}; remove it, or write the bundle anew")
    for instance in instances:
        if instance["verilog"] is None:
            continue
        file = folder / f"{instance['verilog']}.v"
        try:
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            reason = " ".join(str(error.strerror).split())
            raise InputError(f"{VERILOG}/{file.name}: cannot be read ({reason}); write the bundle anew") from None
        if found != instance["verilog_sha256"]:
            raise InputError(f"{VERILOG}/{file.name}: not what was written (other SHA-256); write the bundle anew")


def _check_layers(bundle: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
    """Compare the accumulators of every layer and point, and return how many."""
    operands = Operands.of(bundle["operands"])
    tables = {choice["name"]: arrays[choice["table"]] for choice in bundle["choices"]}
    raw = _raw_tables(bundle, arrays, operands)
    compared = 0
    for described in bundle["layers"]:
        layer = {**described, "w_zero_point": arrays[described["w_zero_point"]]}
        seen = set()
        for point, at in zip(bundle["points"], described["points"], strict=True):
            stored = None if at["stored"] is None else arrays[at["stored"]]
            x_codes, w_codes, expected = (arrays[name] for name in (at["x_codes"], described["w_codes"], at["sums"]))
            where = f"layer '{described['name']}', operating point '{point['name']}'"
            channels = [described[key] for key in ("w_scale", "w_zero_point", "bias")] + [at["scale"], at["offset"]]
            require_shapes(x_codes, w_codes, expected, [arrays[c] for c in channels if c is not None], described, where)
            if (at["circuit_sums"] is None) != (at["choice"] not in raw):
                raise InputError(f"{where}: expected circuit_sums where operands are clipped, and null elsewhere")
            key = at["choice"], at["stored"], at["x_codes"], at["sums"], at["circuit_sums"]
            if key in seen:  # another point computes the same
                continue
            seen.add(key)
            found = accumulators(x_codes, w_codes, tables[at["choice"]], stored, layer, operands)
            _compare(found, expected, where)
            compared += found.size
            if at["circuit_sums"] is not None:
                found = circuit_sums(x_codes, w_codes, raw[at["choice"]], stored, layer)
                _compare(found, arrays[at["circuit_sums"]], f"{where}, circuit_sums")
                compared += found.size
    return compared


def _raw_tables(bundle: Mapping[str, Any], arrays: Mapping[str, Array], operands: Operands) -> dict[str, Ints]:
    """Return what the circuits of clipped choices compute, by choice."""
    circuits = {i["name"]: (arrays[i["table"]], i["signed"]) for i in bundle["instances"] if i["table"] is not None}
    clipped = [choice for choice in bundle["choices"] if is_clipped(choice)]
    return {choice["name"]: raw_products(*circuits[choice["instance"]], choice, operands) for choice in clipped}


def _compare(found: Ints, expected: Array, where: str) -> None:
    if found.shape != expected.shape:
        raise InputError(f"{where}: expected {found.shape} accumulators, got {expected.shape}")
    differing = np.argwhere(found != expected)
    if len(differing):
        first = tuple(differing[0].tolist())
        raise InputError(
            f"{where}: {len(differing)} of {found.size} accumulators differ, the first at {first}: "
            f"expected {expected[first]}, codes and table give {found[first]}"
        )
