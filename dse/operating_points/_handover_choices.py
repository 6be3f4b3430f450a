"""The multipliers of a hand-over bundle: circuits on the chip, and the ways in which the network uses them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.exceptions import InputError
from dse.multipliers import Multiplier
from dse.nn.convert import quantized_layers
from dse.operands import OperandFormat
from dse.operating_points._handover_arrays import Arrays
from dse.operating_points._handover_check import EXACT
from dse.operating_points._handover_circuits import is_clipped, raw_products
from dse.operating_points._handover_replay import Ints, Operands
from dse.operating_points._handover_verilog import circuits_named, modules, named
from dse.operating_points._model import OperatingPointModel
from dse.operating_points._tables import table_hash
from dse.operating_points._wiring import Wiring
from dse.variants import Choice

Described = list[dict[str, Any]]


@dataclass(frozen=True)
class Hardware:
    """What a network multiplies with."""

    instances: Described  # entries of the bundle
    choices: Described
    wirings: dict[str, Wiring]  # of the choices, by name
    raw: dict[str, Ints]  # what the circuits of clipped choices compute before it is scaled, by choice `(256, 2^Bw)`
    verilog: dict[str, str]  # by module


def hardware(
    model: OperatingPointModel,
    operands: OperandFormat,
    described: Mapping[str, Any],
    library: Iterable[Multiplier],
    choices: Iterable[Choice],
    arrays: Arrays,
) -> Hardware:
    """Return the circuits and choices of a bundle, and keep their arrays.

    Args:
        model: The network.
        operands: The layers' format.
        described: The bundle's entry `operands`.
        library: Circuits.
        choices: What the model's choices are, as far as it is known.
        arrays: Where arrays are kept.

    Raises:
        InputError: A choice clips operands, and the table of its circuit is not known or is another.
    """
    library, choices, codes = tuple(library), tuple(choices), Operands.of(described)
    known = named((circuit for circuit in library if circuit.name in model.tables.choices), choices)
    wirings = dict(zip(model.tables.choices, model.tables.wirings(known.values(), operands), strict=True))
    wirings |= _exact(model, operands)
    entries = [_choice(name, wiring, known.get(name), arrays) for name, wiring in wirings.items()]
    circuits = {}
    for instance in dict.fromkeys(entry["instance"] for entry in entries):
        uses = [(known.get(e["name"]), wirings[e["name"]]) for e in entries if e["instance"] == instance]
        candidates = circuits_named(instance, library, choices)
        circuits[instance] = next((c for c in candidates if _computes(c, uses, operands, codes)), None)
    verilog = modules({name: c for name, c in circuits.items() if c is not None and c.netlist is not None})
    return Hardware(
        [_instance(name, circuit, verilog.get(name), arrays) for name, circuit in circuits.items()],
        entries,
        wirings,
        {e["name"]: _raw(e, circuits[e["instance"]], codes) for e in entries if is_clipped(e)},
        dict(verilog.values()),
    )


def _exact(model: OperatingPointModel, operands: OperandFormat) -> dict[str, Wiring]:
    """Return the choice of layers that are not approximable, unless there are none or the points have it as well."""
    if all(layer.approximable for layer in quantized_layers(model.network).values()):
        return {}
    if EXACT not in model.tables.choices:
        return {EXACT: Wiring(operands.exact)}
    if not np.array_equal(model.tables.looked_up(model.tables.choices.index(EXACT)), operands.exact):
        raise InputError(f"handover: choice '{EXACT}' is not exact, as layers that are not approximable are; rename it")
    return {}


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


def _computes(
    circuit: Multiplier, uses: Sequence[tuple[Choice | None, Wiring]], operands: OperandFormat, codes: Operands
) -> bool:
    """Return whether a circuit computes what all its choices multiply with."""
    return all(choice is not None and _same(choice, circuit, wiring, operands, codes) for choice, wiring in uses)


def _same(choice: Choice, circuit: Multiplier, wiring: Wiring, operands: OperandFormat, codes: Operands) -> bool:
    made, used = operands.table(choice.use(circuit)), wiring.table[:, : 2**operands.w_bits]
    return np.array_equal(codes.occurring(made), codes.occurring(used))


def _raw(choice: Mapping[str, Any], circuit: Multiplier | None, operands: Operands) -> Ints:
    if circuit is None:
        raise InputError(
            f"handover: choice '{choice['name']}' clips operands of the circuit '{choice['instance']}', whose table is not "
            "known or another; hand in the circuit as library, or all choices of the run"
        )
    return raw_products(circuit.table, circuit.x_signed, choice, operands)


def _instance(
    name: str, circuit: Multiplier | None, verilog: tuple[str, str] | None, arrays: Arrays
) -> dict[str, Any]:
    module, text = (None, None) if verilog is None else verilog
    return {
        "name": name,
        "signed": None if circuit is None else circuit.x_signed,
        "table": None if circuit is None else arrays.keep(f"circuits.{name}", circuit.table),
        "table_sha256": None if circuit is None else table_hash(circuit.table),
        "verilog": module,
        "verilog_sha256": None if text is None else hashlib.sha256(text.encode("ascii")).hexdigest(),
    }
