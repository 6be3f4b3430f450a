"""All that hardware is built and tested from, as one bundle: a description in JSON, arrays in an npz file, Verilog."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dse.circuits import product_table, to_verilog
from dse.exceptions import InputError
from dse.multipliers import Multiplier, swapped
from dse.nn.convert import quantized_layers
from dse.operands import OperandFormat
from dse.operating_points._handover_arrays import Arrays
from dse.operating_points._handover_check import ARRAYS, DESCRIPTION, FORMAT, VERSION, seal
from dse.operating_points._handover_layers import EXACT, norms, points_and_layers
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._tables import table_hash
from dse.types import Table
from dse.variants import Choice
from dse.whole_files import writing

VERILOG = "verilog"


def write_handover(
    folder: str | Path,
    model: OperatingPointModel,
    images: Tensor,
    *,
    library: Iterable[Multiplier] = (),
    choices: Iterable[Choice] = (),
    overwrite: bool = False,
) -> Path:
    """Write the bundle of a network with operating points: docs/handover.md describes it, `check_handover` replays it.

    Args:
        folder: Where to; it is there whole or not at all.
        model: The network.
        images: Inputs `(N, ...)` float32 of the golden vectors; a few, since every layer keeps its accumulators.
        library: The circuits. Those whose gates are known and compute what the network multiplies with come as Verilog.
        choices: What the choices of a run are in circuits (`Prepared.inputs.choices`); a choice that is not among them is a
            circuit of its own name.
        overwrite: Replace a bundle that is there.

    Returns:
        The folder.

    Raises:
        InputError: There is no image, a layer is not reached, or the folder exists or cannot be written.
    """
    folder = Path(folder).resolve()
    _require_place(folder, overwrite)
    if len(images) == 0:
        raise InputError("handover: expected at least one image, got none")
    arrays, known = Arrays(), {choice.multiplier.name: choice for choice in choices}
    described = [_choice(model, place, known.get(name), arrays) for place, name in enumerate(model.tables.choices)]
    layers = quantized_layers(model.network)
    operands = next(iter(layers.values())).operands
    if not all(layer.approximable for layer in layers.values()):
        described.append(_entry(EXACT, operands.exact, None, arrays))
    verilog = _verilog(model, described, library, operands)
    names = dict.fromkeys(choice["instance"] for choice in described)
    bundle = {
        "format": FORMAT,
        "version": VERSION,
        "operands": _operands(operands),
        "instances": [{"name": name, "verilog": _module(name) if name in verilog else None} for name in names],
        "choices": described,
        "images": arrays.keep("images", images),
        **points_and_layers(model, images, arrays),
        "norms": norms(model, arrays),
    }
    bundle["arrays"] = arrays.described
    _write(folder, {**bundle, "sha256": seal(bundle)}, arrays, verilog)
    return folder


def _operands(operands: OperandFormat) -> dict[str, Any]:
    signs = {"x_signed": operands.x_low < 0, "w_signed": operands.w_low < 0}
    ranges = {"x_range": [operands.x_low, operands.x_high], "w_range": [operands.w_low, operands.w_high]}
    return {"format": operands.name, "x_bits": 8, "w_bits": operands.w_bits, **signs, **ranges}


def _choice(model: OperatingPointModel, place: int, known: Choice | None, arrays: Arrays) -> dict[str, Any]:
    return _entry(model.tables.choices[place], model.tables.looked_up(place), known, arrays)


def _entry(name: str, table: Table, known: Choice | None, arrays: Arrays) -> dict[str, Any]:
    return {
        "name": name,
        "instance": name if known is None else known.circuit,
        "first_operand": "weight" if known is not None and known.swapped else "activation",
        "tuning": "none" if known is None or known.tuning is None else known.tuning,
        "table": arrays.keep(f"tables.{name}", table),
        "table_sha256": table_hash(table),
    }


def _verilog(
    model: OperatingPointModel,
    choices: Iterable[Mapping[str, Any]],
    library: Iterable[Multiplier],
    operands: OperandFormat,
) -> dict[str, str]:
    """Return the Verilog of circuits whose gates compute what the network multiplies with, by the circuit's name."""
    circuits = {circuit.name: circuit for circuit in library if _computed_by_gates(circuit)}
    found = {}
    for choice in choices:
        circuit = circuits.get(choice["instance"])
        if circuit is None or circuit.netlist is None:
            continue
        wired = swapped(circuit) if choice["first_operand"] == "weight" else circuit
        if table_hash(operands.table(wired)) == choice["table_sha256"]:
            found[circuit.name] = to_verilog(circuit.netlist, _module(circuit.name))
    return found


def _computed_by_gates(circuit: Multiplier) -> bool:
    return circuit.netlist is not None and np.array_equal(product_table(circuit.netlist), circuit.table)


def _module(name: str) -> str:
    """Return a circuit's name as a name of a Verilog module."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain[0].isalpha() or plain[0] == "_" else f"m_{plain}"


def _require_place(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not (folder / DESCRIPTION).is_file():
        raise InputError(f"{folder}: exists and is no hand-over bundle (no {DESCRIPTION}); choose another folder")
    if folder.exists() and not overwrite:
        raise InputError(f"{folder}: exists already; overwrite it, or choose another folder")


def _write(folder: Path, bundle: Mapping[str, Any], arrays: Arrays, verilog: Mapping[str, str]) -> None:
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".dse-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            (new / DESCRIPTION).write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
            np.savez_compressed(new / ARRAYS, **arrays.held)  # type: ignore[arg-type]
            for name, text in verilog.items():
                (new / VERILOG).mkdir(exist_ok=True)
                (new / VERILOG / f"{_module(name)}.v").write_text(text, encoding="ascii")
            if folder.exists():
                os.replace(folder, Path(scratch) / "old")
            os.replace(new, folder)
