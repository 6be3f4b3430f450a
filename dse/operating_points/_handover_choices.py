"""The multipliers of a hand-over bundle: circuits on the chip, and the ways in which the network uses them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dse.exceptions import InputError
from dse.multipliers import Multiplier
from dse.nn.convert import quantized_layers
from dse.operands import OperandFormat
from dse.operating_points._handover_arrays import Arrays
from dse.operating_points._handover_check import EXACT
from dse.operating_points._handover_verilog import gates, modules, named
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._tables import table_hash
from dse.operating_points._wiring import Wiring
from dse.variants import Choice

Described = list[dict[str, Any]]


def instances_and_choices(
    model: OperatingPointModel,
    operands: OperandFormat,
    library: Iterable[Multiplier],
    choices: Iterable[Choice],
    arrays: Arrays,
) -> tuple[Described, Described, list[Wiring], dict[str, str]]:
    """Return the entries `instances` and `choices` of a bundle, the model's choices in hardware, and Verilog by module.

    Args:
        model: The network.
        operands: The layers' format.
        library: Circuits.
        choices: What the model's choices are, as far as it is known.
        arrays: Where arrays are kept.
    """
    library, choices = tuple(library), tuple(choices)
    known = named((circuit for circuit in library if circuit.name in model.tables.choices), choices)
    wirings = model.tables.wirings(known.values(), operands)
    used = [*zip(model.tables.choices, wirings, strict=True), *_exact(model, operands)]
    described = [_choice(name, wiring, known.get(name), arrays) for name, wiring in used]
    instances = dict.fromkeys(choice["instance"] for choice in described)
    circuits = gates(instances, library, choices)
    computed = [_computed(known.get(name), wiring, circuits, operands) for name, wiring in used]
    verilog = modules({circuit.name: circuit for circuit in computed if circuit is not None})
    return [_instance(name, verilog.get(name)) for name in instances], described, wirings, dict(verilog.values())


def _exact(model: OperatingPointModel, operands: OperandFormat) -> list[tuple[str, Wiring]]:
    """Return the choice of layers that are not approximable, unless there are none or the points have it as well."""
    if all(layer.approximable for layer in quantized_layers(model.network).values()):
        return []
    if EXACT not in model.tables.choices:
        return [(EXACT, Wiring(operands.exact))]
    if not np.array_equal(model.tables.looked_up(model.tables.choices.index(EXACT)), operands.exact):
        raise InputError(f"handover: choice '{EXACT}' is not exact, as layers that are not approximable are; rename it")
    return []


def _choice(name: str, wiring: Wiring, known: Choice | None, arrays: Arrays) -> dict[str, Any]:
    by_layer = None if known is None else known.tuning
    return {
        "name": name,
        "instance": name if known is None else known.circuit,
        "first_operand": "weight" if known is not None and known.swapped else "activation",
        "x_clip": 100 if known is None else known.x_clip,
        "w_clip": 100 if known is None else known.w_clip,
        "tuning": "uniform" if wiring.stored is not None else by_layer or "none",
        "table": arrays.keep(f"tables.{name}", wiring.table),
        "table_sha256": table_hash(wiring.table),
        "words": None if wiring.words is None else arrays.keep(f"words.{name}", wiring.words),
    }


def _computed(
    choice: Choice | None, wiring: Wiring, circuits: Mapping[str, Multiplier], operands: OperandFormat
) -> Multiplier | None:
    """Return the circuit of a choice if its gates compute what the choice multiplies with."""
    if choice is None or (circuit := circuits.get(choice.circuit)) is None:
        return None
    table = operands.table(choice.use(circuit))
    return circuit if np.array_equal(table, wiring.table[:, : 2**operands.w_bits]) else None


def _instance(name: str, verilog: tuple[str, str] | None) -> dict[str, Any]:
    module, text = (None, None) if verilog is None else verilog
    digest = None if text is None else hashlib.sha256(text.encode("ascii")).hexdigest()
    return {"name": name, "verilog": module, "verilog_sha256": digest}
